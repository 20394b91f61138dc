//! What moved in one direction of an attachment between two readings of its counts.

use bytemuck::Zeroable;

use crate::times::bounds;
use crate::{Counters, LaneDelays, LaneStats, RoundTrips, TcpCounts, TIME_BUCKETS};

/// All that is counted of one direction.
#[derive(Clone, Debug)]
pub struct Counted {
    pub counters: Counters,
    pub tcp: TcpCounts,
    pub lane: LaneStats,
    /// Read only where `tcp` and `lane` say that there is something in them.
    pub round_trips: Option<Box<RoundTrips>>,
    pub delays: Option<Box<LaneDelays>>,
}

/// Least, least not counted any more, and how many.
pub type Bin = (u64, u64, u32);

impl Counted {
    /// Whether any packet was counted since `before`.
    #[must_use]
    pub fn moved_since(&self, before: &Self) -> bool {
        packets(&self.counters) != packets(&before.counters)
            || deeds(&self.lane) != deeds(&before.lane)
    }

    /// What was counted since `before`; `None` if something was set back meanwhile.
    #[must_use]
    pub fn since(&self, before: &Self) -> Option<Self> {
        Some(Self {
            counters: of_words(&self.counters, &before.counters, COUNTED)?,
            tcp: of_words(&self.tcp, &before.tcp, usize::MAX)?,
            lane: lane(&self.lane, &before.lane)?,
            round_trips: match &self.round_trips {
                Some(now) => Some(Box::new(round_trips(now, before.round_trips.as_deref())?)),
                None => None,
            },
            delays: match &self.delays {
                Some(now) => Some(Box::new(delays(now, before.delays.as_deref())?)),
                None => None,
            },
        })
    }
}

/// The buckets that counted something.
pub fn bins(histogram: &[u32; TIME_BUCKETS]) -> impl Iterator<Item = Bin> + '_ {
    let counted = histogram
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0);
    counted.map(|(bucket, count)| {
        let (low, high) = bounds(bucket);
        (low, high, *count)
    })
}

/// Words of `Counters` that only rise; behind them is the proof of application.
const COUNTED: usize = std::mem::offset_of!(Counters, generation) / 8;

fn packets(counters: &Counters) -> [u64; 4] {
    let c = counters;
    let dropped = c.dropped_rule.packets
        + c.dropped_default.packets
        + c.dropped_profile.packets
        + c.dropped_fragment.packets
        + c.dropped_engine.packets;
    [
        c.passed.packets,
        dropped,
        c.malformed.packets,
        c.detoured.packets,
    ]
}

fn deeds(lane: &LaneStats) -> [u64; 4] {
    let dropped = lane.dropped_queue + lane.dropped_line + lane.dropped_ring + lane.flushed;
    [lane.received, lane.emitted, lane.lost, dropped]
}

/// The difference of the first `count` words, the rest as it is now.
fn of_words<T: bytemuck::Pod>(now: &T, before: &T, count: usize) -> Option<T> {
    let mut result = *now;
    let words = bytemuck::cast_slice_mut::<T, u64>(std::slice::from_mut(&mut result));
    let past = bytemuck::cast_slice::<T, u64>(std::slice::from_ref(before));
    for (word, past) in words.iter_mut().zip(past).take(count) {
        *word = word.checked_sub(*past)?;
    }
    Some(result)
}

fn lane(now: &LaneStats, before: &LaneStats) -> Option<LaneStats> {
    let levels = LaneStats {
        held: 0,
        seed: 0,
        generation: 0,
        ..*before
    };
    of_words(now, &levels, usize::MAX)
}

fn round_trips(now: &RoundTrips, before: Option<&RoundTrips>) -> Option<RoundTrips> {
    let none = RoundTrips::zeroed();
    let before = before.unwrap_or(&none);
    Some(RoundTrips {
        variations: now.variations.checked_sub(before.variations)?,
        variation_us: now.variation_us.checked_sub(before.variation_us)?,
        histogram: rises(&now.histogram, &before.histogram),
    })
}

fn delays(now: &LaneDelays, before: Option<&LaneDelays>) -> Option<LaneDelays> {
    let none = LaneDelays::zeroed();
    let before = before.unwrap_or(&none);
    Some(LaneDelays {
        packets: now.packets.checked_sub(before.packets)?,
        bytes: now.bytes.checked_sub(before.bytes)?,
        held_ns: now.held_ns.checked_sub(before.held_ns)?,
        histogram: rises(&now.histogram, &before.histogram),
    })
}

fn rises(now: &[u32; TIME_BUCKETS], before: &[u32; TIME_BUCKETS]) -> [u32; TIME_BUCKETS] {
    std::array::from_fn(|i| now[i].wrapping_sub(before[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(passed: u64, emitted: u64) -> Counted {
        let mut counters = Counters::zeroed();
        (counters.passed.packets, counters.generation) = (passed, 4);
        let mut delays = LaneDelays::zeroed();
        (delays.packets, delays.histogram[40]) = (emitted, emitted as u32);
        Counted {
            counters,
            tcp: TcpCounts::zeroed(),
            lane: LaneStats {
                emitted,
                held: 3,
                ..LaneStats::default()
            },
            round_trips: None,
            delays: Some(Box::new(delays)),
        }
    }

    #[test]
    fn only_packets_are_movement() {
        let (before, mut now) = (counted(5, 2), counted(5, 2));
        (now.counters.generation, now.lane.held) = (6, 0);
        assert!(!now.moved_since(&before));
        assert!(counted(6, 2).moved_since(&before));
        assert!(counted(5, 3).moved_since(&before));
    }

    #[test]
    fn a_difference_is_of_counts_and_not_of_levels() {
        let moved = counted(9, 5)
            .since(&counted(5, 2))
            .expect("nothing was set back");
        assert_eq!(
            (moved.counters.passed.packets, moved.counters.generation),
            (4, 4)
        );
        assert_eq!((moved.lane.emitted, moved.lane.held), (3, 3));
        let delays = moved.delays.expect("were read");
        assert_eq!(bins(&delays.histogram).collect::<Vec<_>>(), [(48, 50, 3)]);
    }

    #[test]
    fn counts_that_were_set_back_have_no_difference() {
        assert!(counted(9, 1).since(&counted(5, 2)).is_none());
        assert!(counted(4, 2).since(&counted(5, 2)).is_none());
    }

    #[test]
    fn buckets_wrap() {
        let (mut before, mut now) = (counted(5, 1), counted(5, 2));
        before.delays.as_mut().expect("there").histogram[40] = u32::MAX;
        now.delays.as_mut().expect("there").histogram[40] = 1;
        let moved = now
            .since(&before)
            .and_then(|moved| moved.delays)
            .expect("a difference");
        assert_eq!(moved.histogram[40], 2);
    }
}
