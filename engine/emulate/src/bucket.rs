//! A token bucket in virtual time, exact in integers.

/// Tokens are kept in units of 10⁻⁹ bit: a nanosecond at `rate` bit/s adds
/// `rate` of them, so nothing is ever rounded away.
const UNITS_PER_BYTE: u128 = 8_000_000_000;

/// Wire time of what leaves together when more waits: what a superpacket of 64 KiB takes at
/// 1 Gbit/s, so that it stays whole there. Each departure costs a wake-up, whatever its size.
pub const GRAIN_NS: u64 = 600_000;
/// The same where the depth is smaller still.
pub const LEAST_GRAIN_NS: u64 = 50_000;

/// Rate and depth in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bits of Ethernet frame (no FCS) a second, at least 1.
    pub bits_per_second: u64,
    /// What an idle link saves up and may send back to back.
    pub burst_bytes: u64,
}

impl Rate {
    fn depth(&self) -> u128 {
        u128::from(self.burst_bytes) * UNITS_PER_BYTE
    }

    fn tokens(&self, elapsed_ns: u64) -> u128 {
        u128::from(self.bits_per_second) * u128::from(elapsed_ns)
    }
}

/// With depth 0 it is a plain link: a frame leaves when its last bit is on the wire.
///
/// While something waits, tokens add up to what it needs even beyond the
/// depth; an idle bucket fills to the depth only.
#[derive(Debug, Clone)]
pub struct Bucket {
    rate: Rate,
    level: u128,
    updated_ns: u64,
}

impl Bucket {
    /// A full bucket.
    pub fn new(rate: Rate, now: u64) -> Self {
        Self {
            rate,
            level: rate.depth(),
            updated_ns: now,
        }
    }

    /// Brings the level to `now`. `waiting`: something has waited since the last call.
    pub fn advance(&mut self, now: u64, waiting: bool) {
        let elapsed = now.saturating_sub(self.updated_ns);
        self.level = self.level.saturating_add(self.rate.tokens(elapsed));
        if !waiting {
            self.level = self.level.min(self.rate.depth());
        }
        self.updated_ns = self.updated_ns.max(now);
    }

    /// Goes on at another rate with the tokens held, which must be up to date.
    pub fn change(&mut self, rate: Rate) {
        self.level = self.level.min(rate.depth());
        self.rate = rate;
    }

    /// When the bucket will hold `bytes`, if something waits from now on.
    pub fn ready_at(&self, bytes: u64) -> u64 {
        let missing = (u128::from(bytes) * UNITS_PER_BYTE).saturating_sub(self.level);
        let wait = missing.div_ceil(u128::from(self.rate.bits_per_second));
        u64::try_from(wait).map_or(u64::MAX, |wait| self.updated_ns.saturating_add(wait))
    }

    /// Takes `bytes`, which are held.
    pub fn take(&mut self, bytes: u64) {
        self.level = self
            .level
            .saturating_sub(u128::from(bytes) * UNITS_PER_BYTE);
    }

    /// Bytes that may leave now.
    pub fn held(&self) -> u64 {
        bytes(self.level)
    }

    /// Bytes that are worth waiting for when more waits: what the link carries in `GRAIN_NS`, but
    /// no more than the depth, so that no receiver sees more at once than the burst asked for.
    pub fn grain(&self) -> u64 {
        let most = self.rate.tokens(GRAIN_NS).min(self.rate.depth());
        bytes(most.max(self.rate.tokens(LEAST_GRAIN_NS)))
    }

    /// Bytes that may leave as one unit.
    pub fn portion(&self) -> u64 {
        self.held().max(self.grain())
    }
}

fn bytes(tokens: u128) -> u64 {
    u64::try_from(tokens / UNITS_PER_BYTE).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(bits_per_second: u64, burst_bytes: u64) -> Bucket {
        Bucket::new(
            Rate {
                bits_per_second,
                burst_bytes,
            },
            0,
        )
    }

    #[test]
    fn a_frame_takes_its_serialisation_time() {
        let mut bucket = bucket(1_000_000, 0);
        bucket.advance(5_000_000, false);
        assert_eq!(bucket.ready_at(1250), 15_000_000);
    }

    #[test]
    fn an_idle_bucket_saves_its_depth_and_no_more() {
        let mut bucket = bucket(8_000_000, 3000);
        bucket.take(3000);
        bucket.advance(1_000_000, false);
        assert_eq!(bucket.held(), 1000);
        bucket.advance(1_000_000_000, false);
        assert_eq!(bucket.held(), 3000);
    }

    #[test]
    fn no_drift_at_rates_that_do_not_divide() {
        for bits_per_second in [1000, 999_983, 9_999_999_967, 400_000_000_000] {
            let mut bucket = bucket(bits_per_second, 0);
            let mut at = 0;
            for _ in 0..10_000 {
                at = bucket.ready_at(1514);
                bucket.advance(at, true);
                bucket.take(1514);
            }
            let exact = (10_000u128 * 1514 * UNITS_PER_BYTE).div_ceil(bits_per_second.into());
            assert_eq!(u128::from(at), exact);
        }
    }

    #[test]
    fn a_change_of_rate_keeps_no_more_than_the_new_depth() {
        let mut bucket = bucket(8_000_000, 3000);
        bucket.change(Rate {
            bits_per_second: 8_000,
            burst_bytes: 100,
        });
        assert_eq!(bucket.held(), 100);
        assert_eq!(bucket.ready_at(200), 100_000_000);
    }

    #[test]
    fn a_grain_is_within_the_burst() {
        assert_eq!(bucket(1_000_000_000, 500_000).grain(), 75_000);
        assert_eq!(bucket(1_000_000_000, 20_000).grain(), 20_000);
        assert_eq!(bucket(10_000_000_000, 0).grain(), 62_500);
    }

    #[test]
    fn what_is_held_may_leave_as_one_unit() {
        assert_eq!(bucket(1_000_000_000, 500_000).portion(), 500_000);
        assert_eq!(bucket(10_000_000_000, 0).portion(), 62_500);
    }

    #[test]
    fn extremes_saturate() {
        let mut wide = bucket(400_000_000_000, u64::MAX);
        wide.advance(u64::MAX, true);
        assert_eq!(wide.portion(), u64::MAX);
        assert_eq!(bucket(1, 0).ready_at(u64::MAX), u64::MAX);
    }
}
