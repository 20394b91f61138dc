//! Numbers of attachments: given, let go, and given again late.
//!
//! A number stands for an interface in every shared table, in the packets that the engine holds and
//! in probes under way. So it is given again only when none of those can be left: a second after it
//! was let go, and once the engine has settled all that was sent to it. Each use is a *life* of its
//! own, by which flows, fragments and the engine's lanes are known: those of the life before are
//! met by nobody. All of it is in the pinned table, so an agent that was killed anywhere in between
//! leaves the truth to the next one.

use std::io;
use std::mem::offset_of;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use bytemuck::Zeroable;

use crate::pins::Pins;
use crate::shm::Shared;
use crate::{Binding, LaneDelays, LaneShared, LaneStats, RoundTrips, MAX_ATTACHMENTS, REUSE_NS};

/// Lives are told apart by their number and by how many the number had, as far as 32 bits go.
const LIVES_SHIFT: u32 = MAX_ATTACHMENTS.ilog2();

/// Which attachments there are. There is one writer: the agent of this host.
#[derive(Debug)]
pub struct Numbers {
    bindings: Shared<Binding>,
    lanes: Shared<LaneShared>,
    lane_stats: Shared<LaneStats>,
    lane_delays: Shared<LaneDelays>,
    round_trips: Shared<RoundTrips>,
}

impl Numbers {
    /// # Errors
    /// What [`Shared::open`] says.
    pub fn open(pins: &Pins) -> io::Result<Self> {
        Ok(Self {
            bindings: Shared::open(&pins.map("bindings"), MAX_ATTACHMENTS)?,
            lanes: Shared::open(&pins.map("lanes"), MAX_ATTACHMENTS * 2)?,
            lane_stats: Shared::open(&pins.map("lane_stats"), MAX_ATTACHMENTS * 2)?,
            lane_delays: Shared::open(&pins.map("lane_delays"), MAX_ATTACHMENTS * 2)?,
            round_trips: Shared::open(&pins.map("round_trips"), MAX_ATTACHMENTS * 2)?,
        })
    }

    /// A number below `bound` that may be given at `now`: one never used, else the one let go first.
    #[must_use]
    pub fn free(&self, bound: usize, now: u64) -> Option<usize> {
        let free = (1..bound.min(MAX_ATTACHMENTS)).filter(|&number| self.is_free(number, now));
        free.min_by_key(|&number| self.released_ns(number).load(Acquire))
    }

    /// Starts a new life of a number: nothing of the one before is left in its lanes.
    ///
    /// # Panics
    /// If `number` is out of range, as in all that follow.
    pub fn begin(&self, number: usize) {
        for lane in [number * 2, number * 2 + 1] {
            self.lane_stats.write(lane, &LaneStats::default());
            self.lane_delays.write(lane, &Zeroable::zeroed());
            self.round_trips.write(lane, &Zeroable::zeroed());
            for offset in [
                offset_of!(LaneShared, sent),
                offset_of!(LaneShared, settled),
                offset_of!(LaneShared, quiet_ns),
            ] {
                self.lanes.word(lane, offset).store(0, Release);
            }
        }
        let lives = self.bindings.word(number, offset_of!(Binding, lives));
        let lived = lives.load(Relaxed).wrapping_add(1);
        lives.store(lived, Release);
        let life = (lived as u32) << LIVES_SHIFT | number as u32;
        self.life_word(number).store(life.into(), Release);
    }

    /// Ends the life of a number: the engine drops what it holds of it, and the number is free in a
    /// while. Its programs must be off already. Whoever is killed in here leaves it attached.
    pub fn end(&self, number: usize, now: u64) {
        self.life_word(number).store(0, Release);
        self.released_ns(number).store(now, Release);
        self.bindings
            .word(number, offset_of!(Binding, ifindex))
            .store(0, Release);
    }

    /// The life of a number, 0 if it has none.
    #[must_use]
    pub fn life(&self, number: usize) -> u32 {
        self.life_word(number).load(Acquire) as u32
    }

    /// (interface index, number, facing) of all that are attached, or were half attached or
    /// detached by an agent that was killed.
    pub fn attached(&self) -> impl Iterator<Item = (u32, usize, u32)> + '_ {
        (1..MAX_ATTACHMENTS).filter_map(|number| {
            let [ifindex, facing] = self.place(number);
            (ifindex != 0).then_some((ifindex, number, facing))
        })
    }

    fn is_free(&self, number: usize, now: u64) -> bool {
        let released = self.released_ns(number).load(Acquire);
        let rested = released == 0 || now.saturating_sub(released) >= REUSE_NS;
        self.place(number)[0] == 0 && rested && self.is_settled(number)
    }

    fn is_settled(&self, number: usize) -> bool {
        [number * 2, number * 2 + 1].into_iter().all(|lane| {
            let word = |offset| self.lanes.word(lane, offset).load(Acquire);
            word(offset_of!(LaneShared, settled)) == word(offset_of!(LaneShared, sent))
        })
    }

    fn place(&self, number: usize) -> [u32; 2] {
        let word = self.bindings.word(number, offset_of!(Binding, ifindex));
        bytemuck::cast(word.load(Acquire))
    }

    fn life_word(&self, number: usize) -> &AtomicU64 {
        self.bindings.word(number, offset_of!(Binding, life))
    }

    fn released_ns(&self, number: usize) -> &AtomicU64 {
        self.bindings.word(number, offset_of!(Binding, released_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shm::anonymous;
    use std::os::fd::AsFd;

    const NOW: u64 = 100 * REUSE_NS;

    fn memory<T: bytemuck::Pod>(len: usize) -> Shared<T> {
        let file = anonymous(size_of::<T>() * len).expect("memfd");
        Shared::map(file.as_fd(), len).expect("maps")
    }

    fn numbers() -> Numbers {
        Numbers {
            bindings: memory(MAX_ATTACHMENTS),
            lanes: memory(MAX_ATTACHMENTS * 2),
            lane_stats: memory(MAX_ATTACHMENTS * 2),
            lane_delays: memory(MAX_ATTACHMENTS * 2),
            round_trips: memory(MAX_ATTACHMENTS * 2),
        }
    }

    /// Gives a number to an interface.
    fn give(numbers: &Numbers, ifindex: u32, bound: usize, now: u64) -> Option<usize> {
        let number = numbers.free(bound, now)?;
        numbers.begin(number);
        let word = numbers.bindings.word(number, offset_of!(Binding, ifindex));
        word.store(bytemuck::cast([ifindex, 0_u32]), Release);
        Some(number)
    }

    fn lane(numbers: &Numbers, lane: usize, sent: u64, settled: u64) {
        for (offset, value) in [
            (offset_of!(LaneShared, sent), sent),
            (offset_of!(LaneShared, settled), settled),
        ] {
            numbers.lanes.word(lane, offset).store(value, Release);
        }
    }

    #[test]
    fn a_number_never_used_comes_first_then_the_one_let_go_first() {
        let numbers = numbers();
        let given = |now| give(&numbers, 7, 4, now);
        assert_eq!((given(NOW), given(NOW)), (Some(1), Some(2)));
        numbers.end(2, NOW);
        numbers.end(1, NOW + 1);
        assert_eq!(given(NOW + 2), Some(3));
        assert_eq!(given(NOW + 2), None);
        assert_eq!(given(NOW + REUSE_NS), Some(2));
        assert_eq!(given(NOW + REUSE_NS), None);
        assert_eq!(given(NOW + REUSE_NS + 1), Some(1));
    }

    #[test]
    fn a_number_with_packets_in_the_engine_is_not_given_again() {
        let numbers = numbers();
        assert_eq!(give(&numbers, 7, 2, NOW), Some(1));
        lane(&numbers, 3, 5, 4);
        numbers.end(1, NOW);
        assert_eq!(numbers.free(2, NOW + 10 * REUSE_NS), None);
        lane(&numbers, 3, 5, 5);
        assert_eq!(numbers.free(2, NOW + 10 * REUSE_NS), Some(1));
    }

    #[test]
    fn each_life_is_another_and_starts_with_nothing() {
        let numbers = numbers();
        give(&numbers, 7, 2, NOW);
        let before = numbers.life(1);
        lane(&numbers, 2, 9, 9);
        numbers.end(1, NOW);
        assert_eq!(numbers.life(1), 0);
        give(&numbers, 8, 2, NOW + REUSE_NS);
        let after = numbers.life(1);
        assert!(before != 0 && after != 0 && before != after);
        assert_eq!(numbers.lanes.read(2).sent, 0);
    }

    #[test]
    fn attached_is_what_has_an_interface() {
        let numbers = numbers();
        give(&numbers, 7, 9, NOW);
        give(&numbers, 8, 9, NOW);
        numbers.end(1, NOW);
        assert_eq!(numbers.attached().collect::<Vec<_>>(), [(8, 2, 0)]);
    }
}
