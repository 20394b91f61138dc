//! The packet engine: reads from the detour TAP, lets each lane do what its persona says, and
//! writes back what is due.
//!
//! One thread does all of it. [`Engine::turn`] never sleeps and never blocks; [`run`] sleeps
//! between turns, until the next packet, the next departure or the next heartbeat.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use bytemuck::Zeroable;

use crate::frame::{self, Frame, Head};
use crate::histogram::Histogram;
use crate::lane::Lane;
use crate::memory::{Memory, MAX_LANES};
use crate::pace::{Pace, Patience};
use netpersona_emulate::packet::Packet;
use netpersona_layout::{DetourHeader, EngineStats, LaneStats, DETOUR_TOO_BIG, HEARTBEAT_NS};
use netpersona_port::buffer::{Buffer, Intake, Pool};
use netpersona_port::clock::{run_first, Clock, Monotonic, Sleeper};
use netpersona_port::tap::{Port, Tap};
use netpersona_port::wakeup::Wakeups;
use netpersona_wire::fragment::{fit, Fitted};
use netpersona_wire::icmp;

/// Packets read before any is written: bounds how long departures and the heartbeat wait for reads.
const READS: usize = 16;
/// Packets written at once, twice a turn: while a backlog is written, such as a drained queue of
/// 100,000 packets, the TAP's ring must not overflow, and the heartbeat must go on.
const WRITES: usize = 32;
/// A departure this near is waited for in place: a sleep would take longer.
const NEAR_NS: u64 = 5_000;
/// Ticks in which a lane that rests is looked at once: whether its interface is gone, or its last
/// packets were lost in the TAP's ring. A thousand idle lanes cost next to nothing then.
const ROUND: usize = 50;
/// Longest that a packet is believed to have waited in the TAP's ring.
const RING_NS: u64 = 1_000_000_000;
/// How often lanes that nobody has are looked through.
const SWEEP_NS: u64 = 1_000_000_000;
/// Memory that packets may hold when nothing else is said, in bytes.
pub const DEFAULT_MEMORY: u64 = 1 << 30;

/// What the engine needs to run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the maps of `bpf/layout.h` are pinned.
    pub pins: PathBuf,
    /// Name of the detour TAP.
    pub tap: String,
    /// Bytes of packet buffers that may be in use; packets beyond are dropped and counted.
    pub memory: u64,
}

/// Why the engine could not start or go on.
#[derive(Debug)]
pub enum EngineError {
    Maps(io::Error),
    Tap { name: String, error: io::Error },
    Wait(io::Error),
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Maps(error) => write!(f, "shared maps: {error}; load the kernel programs first"),
            Self::Tap { name, error } => write!(
                f,
                "detour TAP {name}: {error}; see that it exists, that no other engine has it, \
                 and that this process has CAP_NET_ADMIN"
            ),
            Self::Wait(error) => write!(f, "waiting for packets: {error}"),
        }
    }
}

impl std::error::Error for EngineError {}

/// Runs the engine until `stop` is set; it is looked at every 20 ms at the latest.
///
/// # Errors
/// When the maps or the TAP cannot be opened, or the TAP is taken away.
pub fn run(config: &Config, stop: &AtomicBool) -> Result<(), EngineError> {
    let memory = Memory::open(&config.pins).map_err(EngineError::Maps)?;
    let tap_error = |error| EngineError::Tap {
        name: config.tap.clone(),
        error,
    };
    let tap = Tap::open(&config.tap).map_err(tap_error)?;
    let mut sleeper = Sleeper::new(tap.as_fd()).map_err(EngineError::Wait)?;
    let mut engine = Engine::new(tap, memory, Monotonic, entropy(), config.memory);
    let mut wakeups = Wakeups::default();
    run_first();
    while !stop.load(Ordering::Relaxed) {
        let rest = engine.turn().map_err(tap_error)?;
        if rest.until > Monotonic.now() + NEAR_NS {
            let deadline = wakeups.deadline(Monotonic.now(), rest.until);
            let slept = match rest.lazily {
                true => sleeper.sleep(deadline),
                false => sleeper.wait(deadline),
            };
            slept.map_err(EngineError::Wait)?;
            wakeups.woken(Monotonic.now(), deadline);
            engine.woken();
        }
    }
    engine
        .leave(|deadline| sleeper.wait(deadline))
        .map_err(EngineError::Wait)
}

/// Seeds personas that name no seed; what is in force is in the lanes' statistics.
fn entropy() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// How long there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rest {
    pub until: u64,
    /// Packets that come meanwhile may wait until then; else they end the rest.
    pub lazily: bool,
}

/// The state machine behind [`run`].
#[derive(Debug)]
pub struct Engine<P, C> {
    port: P,
    memory: Memory,
    clock: C,
    entropy: u64,
    pool: Pool,
    intake: Intake,
    lanes: Vec<Option<Box<Lane>>>,
    /// By lane: nothing under way and nothing new to say at the last tick; its packets' least wait.
    resting: Vec<Option<u64>>,
    ticks: usize,
    /// Departures by lane; may hold stale ones, a lane knows the one that counts.
    departures: BinaryHeap<Reverse<(u64, usize)>>,
    stats: EngineStats,
    lateness: Histogram,
    head: Head,
    next_tick: u64,
    next_sweep: u64,
    /// Told to end: the heart does not beat any more.
    leaving: bool,
    pace: Pace,
    /// When the port was last found empty.
    looked: u64,
    /// Least time, ns, that packets of any lane stay.
    least_wait: u64,
}

impl<P: Port, C: Clock> Engine<P, C> {
    /// Takes over the lanes: what an engine before this one held is gone.
    pub fn new(port: P, memory: Memory, clock: C, entropy: u64, held_bytes_limit: u64) -> Self {
        let pool = Pool::default();
        let now = clock.now();
        take_over(&memory, now);
        let stats = EngineStats {
            started_ns: now,
            held_bytes_limit,
            ..Zeroable::zeroed()
        };
        Self {
            port,
            memory,
            clock,
            entropy,
            intake: Intake::new(&pool),
            pool,
            lanes: (0..MAX_LANES).map(|_| None).collect(),
            resting: vec![None; MAX_LANES],
            ticks: 0,
            departures: BinaryHeap::new(),
            stats,
            lateness: Histogram::default(),
            head: Head::default(),
            next_tick: now,
            next_sweep: now + SWEEP_NS,
            leaving: false,
            pace: Pace::default(),
            looked: now,
            least_wait: u64::MAX,
        }
    }

    /// Reads a batch and writes what is due; returns when to be called again.
    ///
    /// # Errors
    /// What the port says to a read, other than that there is nothing.
    pub fn turn(&mut self) -> io::Result<Rest> {
        let before = self.stats.reads;
        if self.patience().is_none() {
            self.depart(self.clock.now()); // else bottlenecks learn of all arrivals first
        }
        self.looked = self.clock.now();
        let more = self.receive(self.looked)?;
        self.depart(self.clock.now());
        let now = self.clock.now();
        self.tick(now, more);
        self.pace.note(now, self.stats.reads - before);
        Ok(self.rest(more))
    }

    /// Notes that the thread slept and was woken.
    pub fn woken(&mut self) {
        self.stats.wakeups += 1;
    }

    fn rest(&self, more: bool) -> Rest {
        let patience = self.patience();
        let until = match patience {
            _ if more => 0,
            Some(p) => self.gathered(p.gather_ns).min(self.looked + p.look_ns),
            None => self.next_departure(),
        };
        Rest {
            until: until.min(self.next_tick),
            lazily: patience.is_some(),
        }
    }

    fn patience(&self) -> Option<Patience> {
        Patience::with(self.least_wait).filter(|_| self.pace.is_fast())
    }

    fn next_departure(&self) -> u64 {
        let next = self.departures.peek();
        next.map_or(u64::MAX, |Reverse((due, _))| *due)
    }

    /// When the departures within `gather_ns` of the next one can go with it.
    fn gathered(&self, gather_ns: u64) -> u64 {
        let next = self.departures.peek();
        next.map_or(u64::MAX, |Reverse((due, index))| {
            let lane = self.lanes[*index].as_deref();
            let last = lane.and_then(|lane| lane.last_due_by(due + gather_ns));
            last.map_or(*due, |last| last.max(*due))
        })
    }

    /// Reads a batch at `now`; `false` when there is no more.
    fn receive(&mut self, now: u64) -> io::Result<bool> {
        for _ in 0..READS {
            if !self.receive_one(now)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn receive_one(&mut self, now: u64) -> io::Result<bool> {
        let Self { intake, port, .. } = self;
        let buffer = match intake.read(|parts| port.read(parts)) {
            Ok(buffer) => buffer,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            Err(error) => return Err(error),
        };
        self.stats.reads += 1;
        match frame::parse(&buffer) {
            Ok((detour, shape)) => {
                self.admit(now, buffer, &detour, shape);
            }
            Err(frame::Malformed) => self.stats.unknown_frames += 1,
        }
        Ok(true)
    }

    fn admit(&mut self, now: u64, mut buffer: Buffer, detour: &DetourHeader, shape: frame::Shape) {
        let arrived = arrival(detour, now);
        let index = usize::from(detour.attachment) * 2 + usize::from(detour.direction);
        let Self {
            lanes,
            memory,
            entropy,
            ..
        } = self;
        let life = memory.life(index);
        let lane = lanes[index]
            .take()
            .filter(|lane| life == 0 || lane.life() == life);
        let lane = lanes[index]
            .insert(lane.unwrap_or_else(|| Box::new(Lane::new(index, memory, *entropy, now))));
        self.resting[index] = None;
        lane.arrive(detour, memory, &mut buffer);
        if life == 0 {
            drop(buffer); // detached meanwhile
        } else if self.pool.used_bytes() > self.stats.held_bytes_limit {
            self.stats.dropped_memory += 1;
            drop(buffer);
        } else {
            let mtu = lane.follow(detour, memory);
            self.least_wait = self.least_wait.min(lane.least_wait());
            let detour = &DetourHeader {
                arrived_ns: arrived,
                ..*detour
            };
            let frame = Frame::new(buffer, detour, shape);
            if detour.flags & DETOUR_TOO_BIG != 0 && mtu > 0 {
                self.admit_fitted(arrived, detour, &frame, mtu);
            } else {
                lane.admit(arrived, detour, frame);
            }
        }
        self.schedule(index, now);
    }

    /// Admits what becomes of a packet that is too big for the persona's MTU: each segment of
    /// its own, in fragments, or not at all and its sender told.
    fn admit_fitted(&mut self, now: u64, detour: &DetourHeader, frame: &Frame, mtu: u32) {
        let index = usize::from(detour.attachment) * 2 + usize::from(detour.direction);
        let Some(lane) = self.lanes[index].as_deref_mut() else {
            return;
        };
        let mut refused = None;
        for segment in (0..frame.segments()).map(|i| frame.slice(i, 1)) {
            let bytes = segment.to_ethernet();
            match fit(&bytes, mtu as usize) {
                Fitted::Whole => lane.admit(now, detour, segment),
                Fitted::TooBig => refused = refused.or(Some(bytes)),
                Fitted::Fragments(fragments) => {
                    lane.stats_mut().fragmented += 1;
                    let fragment = |bytes: Vec<u8>| frame.derived(&bytes, frame.route());
                    fragments
                        .into_iter()
                        .map(fragment)
                        .for_each(|frame| lane.admit(now, detour, frame));
                }
            }
        }
        let answer = refused.and_then(|refused| icmp::too_big(&refused, mtu));
        if let Some(answer) = answer.filter(|_| lane.may_answer(now)) {
            self.answer(index, &frame.derived(&answer, frame.route().reversed()));
        }
    }

    fn answer(&mut self, index: usize, answer: &Frame) {
        self.stats.writes += 1;
        let failed = write(&mut self.port, &mut self.head, answer).is_err();
        if let Some(lane) = self.lanes[index].as_deref_mut() {
            lane.stats_mut().dropped_emit += u64::from(failed);
        }
    }

    /// Writes what is due at `now`, the longest due first, but not more than `WRITES`.
    fn depart(&mut self, now: u64) {
        let mut left = WRITES;
        while let Some(&Reverse((due, index))) = self.departures.peek() {
            if due > now || left == 0 {
                break;
            }
            self.departures.pop();
            let lane = self.lanes[index].as_ref();
            if lane.is_some_and(|lane| lane.is_scheduled(due)) {
                left -= self.emit(index, left, now);
                self.schedule(index, self.clock.now());
            }
        }
    }

    /// Writes at most `limit` packets of a lane; returns how many.
    fn emit(&mut self, index: usize, limit: usize, now: u64) -> usize {
        let Self {
            port,
            head,
            clock,
            stats,
            lateness,
            ..
        } = self;
        let Some(lane) = self.lanes[index].as_deref_mut() else {
            return 0;
        };
        let (mut written, mut dropped) = (0, 0);
        lane.poll(limit, now, |frame, due| {
            written += 1;
            let now = clock.now();
            lateness.record(now.saturating_sub(due));
            stats.writes += 1;
            if write(port, head, frame).is_err() {
                dropped += frame.counted();
                return None;
            }
            Some(now)
        });
        lane.stats_mut().dropped_emit += dropped;
        written
    }

    /// Tells the kernel what is settled, and puts the lane's next departure on the list.
    fn schedule(&mut self, index: usize, now: u64) {
        let Some(lane) = self.lanes[index].as_deref_mut() else {
            return;
        };
        lane.settle(&self.memory, now);
        if let Some(due) = lane.reschedule() {
            self.departures.push(Reverse((due, index)));
        }
    }

    /// Beats, looks for switches that no packet showed, and publishes what changed, every 20 ms.
    fn tick(&mut self, now: u64, more: bool) {
        if now < self.next_tick {
            return;
        }
        self.least_wait = u64::MAX;
        self.next_tick = now + HEARTBEAT_NS;
        if !self.leaving {
            self.memory.beat(now);
        }
        self.ticks = (self.ticks + 1) % ROUND;
        for (index, slot) in self.lanes.iter_mut().enumerate() {
            let resting = self.resting[index].filter(|_| index % ROUND != self.ticks);
            if let Some(least_wait) = resting {
                self.least_wait = self.least_wait.min(least_wait);
                continue;
            }
            let Some(lane) = slot else { continue };
            let life = self.memory.life(index);
            if life == 0 {
                lane.flush(now);
            } else if lane.life() != life {
                (*slot, self.resting[index]) = (None, None);
                continue;
            }
            lane.catch_up(&self.memory, now);
            if let Some(due) = lane.reschedule() {
                self.departures.push(Reverse((due, index)));
            }
            lane.tick(&self.memory, now, !more);
            let least_wait = lane.least_wait();
            self.least_wait = self.least_wait.min(least_wait);
            self.resting[index] = lane.rests(&self.memory).then_some(least_wait);
            if life == 0 && lane.is_settled(&self.memory) {
                self.memory.publish_lane(index, &LaneStats::default());
                self.memory.publish_delays(index, &Zeroable::zeroed());
                (*slot, self.resting[index]) = (None, None);
            }
        }
        if !more && now >= self.next_sweep {
            self.next_sweep = now + SWEEP_NS;
            self.sweep(now);
        }
        self.stats.held_bytes = self.pool.used_bytes();
        self.stats.lateness = *self.lateness.buckets();
        self.memory.publish_engine(&self.stats);
    }

    /// Settles what was sent for attachments that are no more and never came: their numbers could
    /// not be given again. The TAP was found empty just before.
    fn sweep(&self, now: u64) {
        for lane in (0..MAX_LANES).filter(|&lane| self.lanes[lane].is_none()) {
            let sent = self.memory.sent(lane);
            if sent != self.memory.settled(lane) && self.memory.life(lane) == 0 {
                self.memory.settle(lane, sent, now);
            }
        }
    }
}

/// When the packet came to the kernel's hook, which may be since the batch at `now` began. The kernel's
/// word is believed when it lies within the time that a packet may spend in the TAP's ring.
fn arrival(detour: &DetourHeader, now: u64) -> u64 {
    match now.abs_diff(detour.arrived_ns) {
        0..RING_NS => detour.arrived_ns,
        _ => now,
    }
}

fn write<P: Port>(port: &mut P, head: &mut Head, frame: &Frame) -> io::Result<()> {
    let [first, rest] = frame.emit(head);
    port.write(&[IoSlice::new(first), IoSlice::new(rest)])
}

/// Packets of an engine that died are settled, and none is held.
fn take_over(memory: &Memory, now: u64) {
    for lane in 0..MAX_LANES {
        let sent = memory.sent(lane);
        if sent != memory.settled(lane) {
            memory.settle(lane, sent, now);
        }
        if memory.published_lane(lane) != LaneStats::default() {
            memory.publish_lane(lane, &LaneStats::default());
        }
        if memory.delayed(lane) != 0 {
            memory.publish_delays(lane, &Zeroable::zeroed());
        }
    }
}

mod farewell;
#[cfg(test)]
mod tests;
