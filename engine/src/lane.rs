//! One direction of one attachment in the engine: an emulator, the settings it follows, what is settled.

use std::io::{stderr, Write};
use std::rc::Rc;

use crate::delays::Delays;
use crate::frame::Frame;
use crate::memory::Memory;
use crate::settlement::Settlement;
use netpersona_emulate::emulator::{Emulator, EmulatorOptions};
use netpersona_emulate::packet::Class;
use netpersona_emulate::rng;
use netpersona_emulate::settings::LinkSettings;
use netpersona_layout::bindings::is_newer;
use netpersona_layout::{DetourHeader, LaneStats, LANE_QUIET_NS};
use netpersona_port::buffer::Buffer;
use netpersona_wire::icmp::AnswerLimit;

/// What a slot says about one direction, under the binding word that named it.
#[derive(Debug)]
struct Followed {
    generation: u32,
    slot: u16,
    mtu: u32,
    settings: Rc<LinkSettings>,
}

impl Followed {
    /// Reads the slot. Conditions that no persona compiles to are not guessed at: packets
    /// then only keep their order.
    fn read(index: usize, generation: u32, slot: u16, memory: &Memory) -> Self {
        let conditions = memory.conditions(slot);
        let settings = conditions.map(|c| LinkSettings::new(&c, index % 2));
        let settings = match settings {
            Some(Ok(settings)) => settings,
            Some(Err(error)) => refused(index, slot, &error.to_string()),
            None => refused(index, slot, "no such slot"),
        };
        Self {
            generation,
            slot,
            mtu: conditions.map_or(0, |c| c.mtu),
            settings: Rc::new(settings),
        }
    }

    fn is_of(&self, detour: &DetourHeader) -> bool {
        (self.generation, self.slot) == (detour.generation, detour.slot)
    }
}

fn refused(index: usize, slot: u16, why: &str) -> LinkSettings {
    let attachment = index / 2;
    // eprintln! panics where the log is on a full disk.
    let _ = writeln!(
        stderr(),
        "engine: attachment {attachment} goes without conditions: slot {slot}: {why}"
    );
    LinkSettings::pass()
}

#[derive(Debug)]
pub struct Lane {
    index: usize,
    /// Of its attachment, as in `Memory::life`.
    life: u64,
    emulator: Emulator<Frame>,
    settlement: Settlement,
    followed: Option<Followed>,
    answers: AnswerLimit,
    /// Departure that the engine was told of; `u64::MAX` when none.
    scheduled: u64,
    /// As last written to shared memory.
    settled: u64,
    published: LaneStats,
    delays: Delays,
    /// The kernel's count at the tick before.
    sent_before: u64,
}

impl Lane {
    /// Lane `index` of shared memory; `entropy` seeds personas that name no seed.
    pub fn new(index: usize, memory: &Memory, entropy: u64, now: u64) -> Self {
        let options = EmulatorOptions {
            entropy: rng::mix(entropy, index as u64),
            entry_guard_ns: LANE_QUIET_NS,
        };
        let settled = memory.settled(index);
        Self {
            index,
            life: memory.life(index),
            emulator: Emulator::new(options),
            settlement: Settlement::new(settled),
            followed: None,
            answers: AnswerLimit::new(now),
            scheduled: u64::MAX,
            settled,
            published: LaneStats::default(),
            delays: Delays::default(),
            sent_before: settled,
        }
    }

    /// Enters a packet as received: from now on `buffer` keeps it from being settled.
    pub fn arrive(&mut self, detour: &DetourHeader, memory: &Memory, buffer: &mut Buffer) {
        let lost = self
            .settlement
            .arrive(detour.sequence, memory.sent(self.index));
        let stats = self.emulator.stats_mut();
        stats.dropped_ring = stats.dropped_ring.saturating_add_signed(lost);
        buffer.count_on_drop(self.settlement.counter());
    }

    /// Looks up what the packet was decided by; returns the MTU in bytes, 0 for none.
    pub fn follow(&mut self, detour: &DetourHeader, memory: &Memory) -> u32 {
        match &self.followed {
            Some(followed) if followed.is_of(detour) => followed.mtu,
            _ => {
                let followed = Followed::read(self.index, detour.generation, detour.slot, memory);
                self.followed.insert(followed).mtu
            }
        }
    }

    /// Gives a frame to the emulator, under what [`Self::follow`] found last.
    pub fn admit(&mut self, now: u64, detour: &DetourHeader, frame: Frame) {
        let Some(followed) = &self.followed else {
            return;
        };
        let class = Class {
            queue: detour.queue,
            priority: detour.priority & 7,
        };
        self.emulator
            .admit(now, followed.generation, &followed.settings, class, frame);
    }

    /// Turns what is held over to the persona worn at `now`: `in_flight` and a new rate act
    /// also where no packet comes that would show the switch.
    pub fn catch_up(&mut self, memory: &Memory, now: u64) {
        let Some(followed) = self.followed.as_ref().filter(|_| self.emulator.held() > 0) else {
            return;
        };
        let word = memory.in_force(self.index, now);
        let Ok(slot) = u16::try_from(word.slot) else {
            return;
        };
        if is_newer(word.generation, followed.generation) {
            let followed = Followed::read(self.index, word.generation, slot, memory);
            self.emulator
                .adopt(now, word.generation, &followed.settings);
            self.followed = Some(followed);
        }
    }

    /// Whether the persona worn at `now` lets nothing pass without an engine.
    pub fn fails_closed(&self, memory: &Memory, now: u64) -> bool {
        memory.fails_closed(memory.in_force(self.index, now).slot)
    }

    /// Makes all that is held due at `now`.
    pub fn drain(&mut self, now: u64) {
        self.emulator.drain(now);
    }

    /// Drops all that is held.
    pub fn flush(&mut self, now: u64) {
        self.emulator.flush(now);
    }

    /// Whether none of the packets that kernel programs sent is under way.
    pub fn is_settled(&self, memory: &Memory) -> bool {
        self.settled == memory.sent(self.index)
    }

    /// Hands out at most `limit` frames that are due at `now`, with their due time. `emit` says when
    /// a frame left; `None` if it did not.
    pub fn poll(
        &mut self,
        limit: usize,
        now: u64,
        mut emit: impl FnMut(&Frame, u64) -> Option<u64>,
    ) {
        self.scheduled = u64::MAX;
        let delays = &mut self.delays;
        self.emulator.poll_at_most(limit, now, |frame, due| {
            if let Some(left) = emit(&frame, due) {
                delays.record(&frame, left);
            }
        });
    }

    /// The departure that the engine does not know of yet.
    pub fn reschedule(&mut self) -> Option<u64> {
        let due = self
            .emulator
            .next_due()
            .filter(|due| *due < self.scheduled)?;
        self.scheduled = due;
        Some(due)
    }

    /// The last departure known at or before `limit`; `None` where a bottleneck has spaced them.
    pub fn last_due_by(&self, limit: u64) -> Option<u64> {
        let followed = self.followed.as_ref();
        let spaced = followed.is_some_and(|followed| followed.settings.rate.is_some());
        (!spaced)
            .then(|| self.emulator.last_due_by(limit))
            .flatten()
    }

    /// Least time, ns, that a packet stays; `u64::MAX` without conditions.
    pub fn least_wait(&self) -> u64 {
        let followed = self.followed.as_ref();
        let followed = followed.filter(|followed| followed.settings.active || followed.mtu > 0);
        followed.map_or(u64::MAX, |followed| followed.settings.least_wait())
    }

    pub fn is_scheduled(&self, due: u64) -> bool {
        self.scheduled == due
    }

    /// Whether one more answer to a packet too big may be given; counts it if so.
    pub fn may_answer(&mut self, now: u64) -> bool {
        let allowed = self.answers.allow(now);
        self.emulator.stats_mut().answered += u64::from(allowed);
        allowed
    }

    /// For what the emulator cannot count itself.
    pub fn stats_mut(&mut self) -> &mut LaneStats {
        self.emulator.stats_mut()
    }

    /// Tells the kernel programs what is settled by now. After the writes, never before.
    pub fn settle(&mut self, memory: &Memory, now: u64) {
        let settled = self.settlement.settled();
        if settled != self.settled {
            memory.settle(self.index, settled, now);
            self.settled = settled;
        }
    }

    /// Publishes what changed. `drained`: the TAP was found empty just before.
    pub fn tick(&mut self, memory: &Memory, now: u64, drained: bool) {
        if drained {
            let missing = self.settlement.give_up(self.sent_before);
            self.emulator.stats_mut().dropped_ring += missing;
        }
        self.sent_before = memory.sent(self.index);
        self.settle(memory, now);
        let stats = self.emulator.stats();
        if stats != self.published {
            memory.publish_lane(self.index, &stats);
            self.published = stats;
        }
        if let Some(delays) = self.delays.news() {
            memory.publish_delays(self.index, delays);
        }
    }

    /// Whether nothing is under way, neither here nor in the TAP's ring.
    pub fn rests(&self, memory: &Memory) -> bool {
        self.emulator.held() == 0 && self.settled == memory.sent(self.index)
    }

    /// Which life of its attachment this is about.
    pub fn life(&self) -> u64 {
        self.life
    }
}
