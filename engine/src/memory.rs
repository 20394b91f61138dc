//! The shared memory that the packet engine reads and writes.

use std::io;
use std::mem::offset_of;
use std::path::Path;
use std::sync::atomic::Ordering::{Acquire, Release};

use bytemuck::Pod;

use netpersona_layout::bindings::{self, Word};
use netpersona_layout::pins::Pins;
use netpersona_layout::shm::Shared;
use netpersona_layout::{
    Binding, Conditions, EngineState, EngineStats, LaneDelays, LaneShared, LaneStats, Policy,
    MAX_ATTACHMENTS, MAX_SLOTS, POLICY_FAIL_CLOSED,
};

/// Lanes there can be: one per attachment and direction.
pub const MAX_LANES: usize = MAX_ATTACHMENTS * 2;

/// The maps of `bpf/layout.h` that the engine has to do with.
#[derive(Debug)]
pub struct Memory {
    bindings: Shared<Binding>,
    policies: Shared<Policy>,
    conditions: Shared<Conditions>,
    lanes: Shared<LaneShared>,
    state: Shared<EngineState>,
    lane_stats: Shared<LaneStats>,
    lane_delays: Shared<LaneDelays>,
    engine_stats: Shared<EngineStats>,
}

impl Memory {
    /// Maps the maps pinned in a directory, in the layout of this build.
    ///
    /// # Errors
    /// What opening or mapping one of them says; `ENOENT` if it is not pinned there.
    pub fn open(root: &Path) -> io::Result<Self> {
        let pins = &Pins::new(root);
        Ok(Self {
            bindings: open(pins, "bindings", MAX_ATTACHMENTS)?,
            policies: open(pins, "policies", MAX_SLOTS)?,
            conditions: open(pins, "conditions", MAX_SLOTS)?,
            lanes: open(pins, "lanes", MAX_LANES)?,
            state: open(pins, "engine_state", 1)?,
            lane_stats: open(pins, "lane_stats", MAX_LANES)?,
            lane_delays: open(pins, "lane_delays", MAX_LANES)?,
            engine_stats: open(pins, "engine_stats", 1)?,
        })
    }

    /// The conditions in a slot; `None` for a slot that cannot be.
    pub fn conditions(&self, slot: u16) -> Option<Conditions> {
        let slot = usize::from(slot);
        (slot < MAX_SLOTS).then(|| self.conditions.read(slot))
    }

    /// Whether the persona in a slot lets nothing pass without an engine. Slot 0 lets all pass.
    pub fn fails_closed(&self, slot: u32) -> bool {
        let slot = slot as usize;
        if slot == 0 || slot >= MAX_SLOTS {
            return false;
        }
        let word = self.policies.word(slot, offset_of!(Policy, flags));
        let [flags, _]: [u32; 2] = bytemuck::cast(word.load(Acquire));
        flags & POLICY_FAIL_CLOSED != 0
    }

    /// Which life of its attachment a lane belongs to; 0 while no interface is behind it.
    pub fn life(&self, lane: usize) -> u64 {
        self.bindings
            .word(lane / 2, offset_of!(Binding, life))
            .load(Acquire)
    }

    /// What the attachment of a lane wears at `now`.
    pub fn in_force(&self, lane: usize, now: u64) -> Word {
        bindings::in_force(&bindings::read(&self.bindings, lane / 2), now)
    }

    /// Packets that kernel programs gave to the engine.
    pub fn sent(&self, lane: usize) -> u64 {
        self.lanes
            .word(lane, offset_of!(LaneShared, sent))
            .load(Acquire)
    }

    pub fn settled(&self, lane: usize) -> u64 {
        self.lanes
            .word(lane, offset_of!(LaneShared, settled))
            .load(Acquire)
    }

    /// Tells the kernel programs that nothing up to `settled` is in the engine, since `now`.
    /// Call it after the packets were written: whoever sees the count sees their time.
    pub fn settle(&self, lane: usize, settled: u64, now: u64) {
        self.lanes
            .word(lane, offset_of!(LaneShared, quiet_ns))
            .store(now, Release);
        self.lanes
            .word(lane, offset_of!(LaneShared, settled))
            .store(settled, Release);
    }

    pub fn beat(&self, now: u64) {
        self.state
            .word(0, offset_of!(EngineState, heartbeat_ns))
            .store(now, Release);
    }

    pub fn publish_lane(&self, lane: usize, stats: &LaneStats) {
        self.lane_stats.write(lane, stats);
    }

    pub fn published_lane(&self, lane: usize) -> LaneStats {
        self.lane_stats.read(lane)
    }

    pub fn publish_delays(&self, lane: usize, delays: &LaneDelays) {
        self.lane_delays.write(lane, delays);
    }

    /// Packets of the published delays: 0 where there are none.
    pub fn delayed(&self, lane: usize) -> u64 {
        self.lane_delays
            .word(lane, offset_of!(LaneDelays, packets))
            .load(Acquire)
    }

    pub fn publish_engine(&self, stats: &EngineStats) {
        self.engine_stats.write(0, stats);
    }
}

fn open<T: Pod>(pins: &Pins, name: &str, count: usize) -> io::Result<Shared<T>> {
    let path = pins.map(name);
    Shared::open(&path, count)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

#[cfg(test)]
pub(crate) mod testing {
    //! The same memory over a temporary file, and the kernel's side of it.
    use super::*;
    use std::fs::File;
    use std::os::fd::AsFd;

    fn anonymous<T: Pod>(count: usize) -> Shared<T> {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "np-memory-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .expect("a file");
        std::fs::remove_file(&path).expect("unlinks");
        file.set_len((count * size_of::<T>()) as u64)
            .expect("grows");
        Shared::map(file.as_fd(), count).expect("maps")
    }

    impl Memory {
        pub(crate) fn for_tests() -> Self {
            Self {
                bindings: anonymous(MAX_ATTACHMENTS),
                policies: anonymous(MAX_SLOTS),
                conditions: anonymous(MAX_SLOTS),
                lanes: anonymous(MAX_LANES),
                state: anonymous(1),
                lane_stats: anonymous(MAX_LANES),
                lane_delays: anonymous(MAX_LANES),
                engine_stats: anonymous(1),
            }
        }

        pub(crate) fn install(&self, slot: usize, conditions: &Conditions) {
            self.conditions.write(slot, conditions);
        }

        pub(crate) fn fail_closed(&self, slot: usize) {
            let mut policy = self.policies.read(slot);
            policy.flags = POLICY_FAIL_CLOSED;
            self.policies.write(slot, &policy);
        }

        pub(crate) fn attach(&self, attachment: usize, ifindex: u32) {
            let mut binding = self.bindings.read(attachment);
            (binding.ifindex, binding.life) = (ifindex, ifindex.into());
            self.bindings.write(attachment, &binding);
        }

        pub(crate) fn bind(&self, attachment: usize, word: Word) {
            let mut binding = self.bindings.read(attachment);
            binding.active = word.pack();
            self.bindings.write(attachment, &binding);
        }

        pub(crate) fn send(&self, lane: usize, sent: u64) {
            self.lanes
                .word(lane, offset_of!(LaneShared, sent))
                .store(sent, Release);
        }

        pub(crate) fn lane(&self, lane: usize) -> LaneShared {
            self.lanes.read(lane)
        }

        pub(crate) fn published_delays(&self, lane: usize) -> LaneDelays {
            self.lane_delays.read(lane)
        }

        pub(crate) fn heartbeat(&self) -> u64 {
            self.state.read(0).heartbeat_ns
        }

        pub(crate) fn engine_stats(&self) -> EngineStats {
            self.engine_stats.read(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_settled_carries_its_time() {
        let memory = Memory::for_tests();
        memory.settle(7, 42, 1000);
        assert_eq!(
            (memory.lane(7).settled, memory.lane(7).quiet_ns),
            (42, 1000)
        );
        assert_eq!(memory.lane(6).settled, 0);
    }

    #[test]
    fn a_slot_beyond_the_table_has_no_conditions() {
        let memory = Memory::for_tests();
        assert!(memory.conditions(MAX_SLOTS as u16 - 1).is_some());
        assert!(memory.conditions(MAX_SLOTS as u16).is_none());
    }

    #[test]
    fn what_is_not_pinned_is_named() {
        let error =
            Memory::open(Path::new("/sys/fs/bpf/np-no-such-directory")).expect_err("nothing there");
        assert!(
            error.to_string().contains("np-no-such-directory/bindings"),
            "{error}"
        );
    }
}
