//! When looking for packets now and then costs less than being woken by each.
//!
//! A wake-up costs some 30 µs of CPU, ten times what reading and writing a packet does. A packet that stays
//! for twice as long anyway loses nothing when it is read that much later: the kernel said when it came.

use std::ops::RangeInclusive;

/// Longest that a packet waits to be read while packets are looked for, ns; half of the least delay.
const LOOK_NS: RangeInclusive<u64> = 250_000..=500_000;
/// Departures within this of the first go together then, ns: never before their time.
const GATHER_NS: RangeInclusive<u64> = 100_000..=250_000;
/// Part of the least delay by which a departure may be late, within [`GATHER_NS`].
const GATHER_PART: u64 = 40;
/// Time in which one packet comes at the pace from which on looking is cheaper, ns.
const WORTH_NS: u64 = 125_000;
/// What a pace is told by, ns.
const WINDOW_NS: u64 = 1_000_000;

/// How long dense packets may be left to themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    pub look_ns: u64,
    pub gather_ns: u64,
}

impl Patience {
    /// With packets that all stay `least_wait` ns or more; `None` if that is too short.
    pub fn with(least_wait: u64) -> Option<Self> {
        let patient = least_wait >= 2 * LOOK_NS.start();
        patient.then(|| Self {
            look_ns: (least_wait / 2).min(*LOOK_NS.end()),
            gather_ns: (least_wait / GATHER_PART).clamp(*GATHER_NS.start(), *GATHER_NS.end()),
        })
    }
}

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
            self.fast = self.came * WORTH_NS >= elapsed;
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
    fn patience_grows_with_the_delay() {
        const MS: u64 = 1_000_000;
        let with = |delay| Patience::with(delay).map(|p| (p.look_ns, p.gather_ns));
        assert_eq!(with(MS / 2 - 1), None);
        assert_eq!(with(MS / 2), Some((MS / 4, MS / 10)));
        assert_eq!(with(6 * MS), Some((MS / 2, 6 * MS / 40)));
        assert_eq!(with(u64::MAX), Some((MS / 2, MS / 4)));
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
