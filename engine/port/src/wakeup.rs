//! How late this machine wakes a thread, so that one can be woken that much sooner.

/// Longest lead ever taken, ns: a machine that is later than this is busy, not slow to wake.
const LEAD_LIMIT_NS: u64 = 100_000;
/// Part of the lead by which it grows with each wake-up, so that it follows a slower machine.
const GROWTH: u64 = 32;

/// Follows the least lateness seen lately. Sleeping shorter by that much departs closer to
/// the due time, and next to never before it: there is nothing to spin for.
#[derive(Debug, Default)]
pub struct Wakeups {
    lead_ns: u64,
}

impl Wakeups {
    /// When to have the timer go off at `now`, to be awake at `due`. Too close for the lead: at `due`.
    pub fn deadline(&self, now: u64, due: u64) -> u64 {
        match due.checked_sub(self.lead_ns) {
            Some(early) if early > now => early,
            _ => due,
        }
    }

    /// The thread slept until `deadline` or until something came, and runs again at `now`.
    pub fn woken(&mut self, now: u64, deadline: u64) {
        if let Some(late) = now.checked_sub(deadline) {
            let grown = self.lead_ns + self.lead_ns / GROWTH + 100;
            self.lead_ns = grown.min(late).min(LEAD_LIMIT_NS);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUE: u64 = 1_000_000_000;

    /// A machine that is `late` ns late each time; when the thread runs, relative to `DUE`.
    fn after(wakeups: &mut Wakeups, late: &[u64]) -> i64 {
        let mut error = 0;
        for late in late {
            let deadline = wakeups.deadline(0, DUE);
            wakeups.woken(deadline + late, deadline);
            error = (deadline + late) as i64 - DUE as i64;
        }
        error
    }

    #[test]
    fn a_constant_lateness_is_made_up_for() {
        let error = after(&mut Wakeups::default(), &[40_000; 500]);
        assert_eq!(error, 0);
    }

    #[test]
    fn a_quick_wake_up_shortens_the_lead_at_once() {
        let mut wakeups = Wakeups::default();
        after(&mut wakeups, &[40_000; 500]);
        assert_eq!(after(&mut wakeups, &[10_000]), -30_000);
        assert!(after(&mut wakeups, &[10_000]) >= -400);
    }

    #[test]
    fn a_busy_machine_does_not_make_the_lead_grow_without_end() {
        let error = after(&mut Wakeups::default(), &[5_000_000; 5_000]);
        assert_eq!(error, 5_000_000 - LEAD_LIMIT_NS as i64);
    }

    #[test]
    fn a_departure_closer_than_the_lead_is_slept_for_in_full() {
        let mut wakeups = Wakeups::default();
        after(&mut wakeups, &[40_000; 500]);
        assert_eq!(wakeups.deadline(DUE - 20_000, DUE), DUE);
    }

    #[test]
    fn a_thread_woken_by_a_packet_says_nothing_about_the_timer() {
        let mut wakeups = Wakeups::default();
        after(&mut wakeups, &[40_000; 500]);
        wakeups.woken(DUE - 500_000, DUE);
        assert_eq!(wakeups.deadline(0, DUE), DUE - 40_000);
    }
}
