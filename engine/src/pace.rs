//! When looking for packets now and then costs less than being woken by each.
//!
//! A wake-up costs some 20 µs of CPU, ten times what reading and writing a packet does. A packet that stays
//! for twice [`LOOK_NS`] anyway loses nothing when it is read that much later: the kernel said when it came.

/// Longest that a packet waits to be read while packets are looked for, ns.
pub const LOOK_NS: u64 = 250_000;
/// Departures within this of the first go together then, ns: never before their time.
pub const GATHER_NS: u64 = 100_000;
/// Packets in `LOOK_NS` from which on looking is cheaper.
const WORTH: u64 = 2;
/// What a pace is judged by, ns.
const WINDOW_NS: u64 = 4 * LOOK_NS;

/// How fast packets have come lately.
#[derive(Debug, Default)]
pub struct Pace {
    since: u64,
    came: u64,
    fast: bool,
}

impl Pace {
    /// `came` packets were read by `now`.
    pub fn note(&mut self, now: u64, came: u64) {
        self.came += came;
        let elapsed = now.saturating_sub(self.since);
        if elapsed >= WINDOW_NS {
            self.fast = self.came * LOOK_NS >= WORTH * elapsed;
            (self.since, self.came) = (now, 0);
        }
    }

    pub fn is_fast(&self) -> bool {
        self.fast
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After 10 ms of a packet every `gap` ns, seen one by one.
    fn fast_after(gap: u64) -> bool {
        let mut pace = Pace::default();
        for at in (0..10_000_000).step_by(gap as usize) {
            pace.note(at, 1);
        }
        pace.is_fast()
    }

    #[test]
    fn eight_thousand_a_second_are_worth_looking_for() {
        assert!(fast_after(50_000) && fast_after(124_000));
        assert!(!fast_after(126_000) && !fast_after(1_000_000));
    }

    #[test]
    fn a_pause_ends_it() {
        let mut pace = Pace::default();
        pace.note(WINDOW_NS, 1_000);
        assert!(pace.is_fast());
        pace.note(2 * WINDOW_NS, 1);
        assert!(!pace.is_fast());
    }
}
