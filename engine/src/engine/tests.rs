//! The loop over a port and a clock of the test's own.

use super::*;
use crate::frame::testing::{detour, from_tap, plain_vnet, superpacket};
use netpersona_layout::bindings::Word;
use netpersona_layout::{
    Conditions, DETOUR_PASS, IN_FLIGHT_DRAIN, IN_FLIGHT_FLUSH, LINK_ACTIVE, QUEUE_DEFAULT,
};
use netpersona_port::clock::testing::ManualClock;
use netpersona_wire::gso::testing::{checksums_hold, segmented, Recipe};
use netpersona_wire::vnet::VNET_HEADER;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::rc::Rc;

const MS: u64 = 1_000_000;
const START: u64 = 1_000 * MS;
const LANE: usize = 3 * 2;
const DELAYED: u16 = 1;
const LOSSY: u16 = 2;
const NARROW: u16 = 3;
const SHAPED: u16 = 4;
const NULL: u16 = 0;

#[derive(Clone, Debug, Default)]
struct FakePort(Rc<RefCell<Wires>>);

#[derive(Debug, Default)]
struct Wires {
    incoming: VecDeque<Vec<u8>>,
    written: Vec<Vec<u8>>,
    refusal: Option<io::ErrorKind>,
    /// Every write takes this long on the clock, ns.
    slow: Option<(ManualClock, u64)>,
}

impl Port for FakePort {
    fn read(&mut self, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let packet = self
            .0
            .borrow_mut()
            .incoming
            .pop_front()
            .ok_or(io::ErrorKind::WouldBlock)?;
        let mut left = &packet[..];
        for part in parts {
            let (now, later) = left.split_at(left.len().min(part.len()));
            part[..now.len()].copy_from_slice(now);
            left = later;
        }
        Ok(packet.len())
    }

    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let mut wires = self.0.borrow_mut();
        if let Some((clock, step)) = &wires.slow {
            clock.set(clock.now() + step);
        }
        wires
            .written
            .push(parts.iter().flat_map(|part| part.to_vec()).collect());
        wires.refusal.map_or(Ok(()), |kind| Err(kind.into()))
    }
}

/// An engine, the kernel's side of its port and memory, and the clock of both.
struct Bench {
    engine: Engine<FakePort, ManualClock>,
    port: FakePort,
    clock: ManualClock,
    sent: u64,
}

impl Bench {
    fn new() -> Self {
        Self::over(Memory::for_tests(), DEFAULT_MEMORY)
    }

    fn over(memory: Memory, limit: u64) -> Self {
        let clock = ManualClock::default();
        clock.set(START);
        memory.attach(3, 17);
        install(&memory, DELAYED, |c| c.link[0].delay.constant_ns = 10 * MS);
        install(&memory, LOSSY, |c| {
            (c.link[0].loss.model, c.link[0].loss.p[0]) = (netpersona_layout::LOSS_BERNOULLI, 1.0);
        });
        install(&memory, NARROW, |c| c.mtu = 600);
        let port = FakePort::default();
        let engine = Engine::new(port.clone(), memory, clock.clone(), 1, limit);
        Self {
            engine,
            port,
            clock,
            sent: 0,
        }
    }

    /// The kernel hands a packet of `slot` to the engine.
    fn send(&mut self, slot: u16, flags: u8, make: impl FnOnce(&DetourHeader) -> Vec<u8>) {
        self.sent += 1;
        self.engine.memory.send(LANE, self.sent);
        let mut header = detour(3, 0);
        (header.slot, header.generation, header.flags) = (slot, 2 * u32::from(slot), flags);
        (header.sequence, header.queue) = (self.sent as u32, QUEUE_DEFAULT);
        self.port.0.borrow_mut().incoming.push_back(make(&header));
    }

    fn send_plain(&mut self, slot: u16, mark: u8) {
        self.send(slot, 0, |header| {
            from_tap(plain_vnet(), header, &[mark; 60])
        });
    }

    /// Runs the engine at `now`; what it wrote.
    fn turn_at(&mut self, now: u64) -> Vec<Vec<u8>> {
        self.clock.set(now);
        while self.engine.turn().expect("the port is well").until <= now {}
        std::mem::take(&mut self.port.0.borrow_mut().written)
    }

    fn settled(&self) -> u64 {
        self.engine.memory.settled(LANE)
    }

    /// Statistics as others see them, after the next heartbeat.
    fn stats(&mut self, now: u64) -> LaneStats {
        self.turn_at(now + HEARTBEAT_NS);
        self.engine.memory.published_lane(LANE)
    }
}

fn install(memory: &Memory, slot: u16, change: impl FnOnce(&mut Conditions)) {
    let mut conditions: Conditions = bytemuck::Zeroable::zeroed();
    for link in &mut conditions.link {
        (link.flags, link.default_queue_length) = (LINK_ACTIVE, 1000);
    }
    change(&mut conditions);
    memory.install(slot.into(), &conditions);
}

fn datagram(payload: usize, dont_fragment: bool) -> Vec<u8> {
    let (mut frame, _) = recipe(payload).frame();
    if !dont_fragment {
        frame[20] &= !0x40;
        frame[24] ^= 0x40; // the header checksum without DF
    }
    frame
}

fn recipe(payload: usize) -> Recipe {
    Recipe {
        v6: false,
        udp: true,
        extended: false,
        tagged: false,
        checksum: false,
        flags: 0x10,
        ecn: false,
        sequence: 1,
        id: 1,
        mss: 1000,
        payload: vec![5; payload],
    }
}

fn marks(written: &[Vec<u8>]) -> Vec<u8> {
    written.iter().map(|packet| packet[VNET_HEADER]).collect()
}

#[test]
fn a_switch_that_no_packet_shows_acts_on_what_is_held() {
    for (slot, in_flight, left) in [(4, IN_FLIGHT_DRAIN, 1), (5, IN_FLIGHT_FLUSH, 0)] {
        let mut bench = Bench::new();
        let memory = &bench.engine.memory;
        install(memory, slot, |c| c.in_flight = in_flight);
        install(memory, DELAYED, |c| c.link[0].delay.constant_ns = 500 * MS);
        bench.send_plain(DELAYED, 1);
        assert!(bench.turn_at(START).is_empty());
        let (generation, slot) = (2 * u32::from(slot), slot.into());
        bench.engine.memory.wear(3, Word { generation, slot });
        assert_eq!(bench.turn_at(START + 20 * MS).len(), left);
        bench.turn_at(START + 40 * MS);
        assert_eq!(bench.settled(), 1);
    }
}

#[test]
fn a_packet_leaves_after_its_delay_and_is_then_settled() {
    let mut bench = Bench::new();
    bench.send_plain(DELAYED, 1);
    assert!(bench.turn_at(START).is_empty());
    assert_eq!(bench.engine.next_departure(), START + 10 * MS);
    assert!(bench.turn_at(START + 10 * MS - 1).is_empty());
    assert_eq!(bench.settled(), 0);
    assert_eq!(bench.turn_at(START + 10 * MS).len(), 1);
    assert_eq!(bench.settled(), 1);
    assert_eq!(bench.engine.memory.lane(LANE).quiet_ns, START + 10 * MS);
}

#[test]
fn a_packet_without_conditions_stays_behind_those_held() {
    let mut bench = Bench::new();
    bench.send_plain(DELAYED, 1);
    bench.turn_at(START);
    bench.send(NULL, DETOUR_PASS, |header| {
        let newer = DetourHeader {
            generation: 4,
            ..*header
        };
        from_tap(plain_vnet(), &newer, &[2; 60])
    });
    assert!(bench.turn_at(START + MS).is_empty());
    assert_eq!(marks(&bench.turn_at(START + 10 * MS)), [1, 2]);
}

#[test]
fn a_lost_packet_is_settled_at_once() {
    let mut bench = Bench::new();
    bench.send_plain(LOSSY, 1);
    assert!(bench.turn_at(START).is_empty());
    assert_eq!(bench.settled(), 1);
    assert_eq!(bench.stats(START).lost, 1);
}

#[test]
fn a_gap_in_the_sequence_is_counted_and_settled() {
    let mut bench = Bench::new();
    bench.send_plain(DELAYED, 1);
    bench.sent += 5;
    bench.send_plain(DELAYED, 2);
    bench.turn_at(START);
    bench.turn_at(START + 10 * MS);
    assert_eq!(bench.settled(), 7);
    assert_eq!(bench.stats(START + 10 * MS).dropped_ring, 5);
}

#[test]
fn packets_missing_at_the_end_are_given_up_after_a_heartbeat() {
    let mut bench = Bench::new();
    bench.send_plain(DELAYED, 1);
    bench.turn_at(START);
    bench.engine.memory.send(LANE, 4);
    bench.turn_at(START + HEARTBEAT_NS);
    assert_eq!(bench.settled(), 1);
    bench.turn_at(START + 2 * HEARTBEAT_NS);
    assert_eq!(bench.settled(), 4);
}

#[test]
fn a_refused_write_is_counted_and_settled() {
    let mut bench = Bench::new();
    bench.port.0.borrow_mut().refusal = Some(io::ErrorKind::WouldBlock);
    bench.send_plain(DELAYED, 1);
    bench.turn_at(START);
    bench.turn_at(START + 10 * MS);
    assert_eq!(bench.settled(), 1);
    assert_eq!(bench.stats(START + 10 * MS).dropped_emit, 1);
}

#[test]
fn packets_beyond_the_memory_bound_are_dropped_and_settled() {
    let mut bench = Bench::over(Memory::for_tests(), 200 << 10);
    for mark in 0..100 {
        bench.send_plain(DELAYED, mark);
    }
    bench.turn_at(START);
    let held = bench.turn_at(START + 10 * MS).len() as u64;
    bench.turn_at(START + 10 * MS + HEARTBEAT_NS);
    let stats = bench.engine.memory.engine_stats();
    assert!(held > 50 && stats.held_bytes_limit == 200 << 10);
    assert_eq!(held + stats.dropped_memory, 100);
    assert_eq!(bench.settled(), 100);
}

#[test]
fn it_beats_also_when_idle() {
    let mut bench = Bench::new();
    for beat in 0..3 {
        let now = START + beat * HEARTBEAT_NS;
        bench.turn_at(now);
        assert_eq!(bench.engine.memory.heartbeat(), now);
        assert_eq!(bench.engine.rest(false).until, now + HEARTBEAT_NS);
    }
}

#[test]
fn it_beats_while_it_writes_a_backlog() {
    let mut bench = Bench::new();
    for mark in 0..100 {
        bench.send_plain(DELAYED, mark);
    }
    bench.turn_at(START);
    bench.port.0.borrow_mut().slow = Some((bench.clock.clone(), MS));
    bench.clock.set(START + 10 * MS);
    while bench.port.0.borrow().written.len() < 100 {
        bench.engine.turn().expect("the port is well");
        let silent = bench.clock.now() - bench.engine.memory.heartbeat();
        assert!(silent <= HEARTBEAT_NS + 2 * WRITES as u64 * MS, "{silent}");
    }
}

#[test]
fn it_reads_while_it_writes_a_backlog() {
    let mut bench = Bench::new();
    for _ in 0..1_000 {
        bench.send_plain(DELAYED, 1);
    }
    bench.turn_at(START);
    bench.clock.set(START + 10 * MS);
    for _ in 0..2 * READS {
        bench.send_plain(DELAYED, 1);
    }
    for _ in 0..2 {
        bench.engine.turn().expect("the port is well");
    }
    assert!(bench.port.0.borrow().written.len() <= 4 * WRITES);
    assert!(bench.port.0.borrow().incoming.is_empty());
    assert_eq!(bench.turn_at(START + 10 * MS).len(), 1_000);
}

#[test]
fn what_a_dead_engine_held_is_settled_at_the_start() {
    let memory = Memory::for_tests();
    memory.send(LANE, 9);
    memory.publish_lane(
        LANE,
        &LaneStats {
            held: 4,
            ..LaneStats::default()
        },
    );
    let mut bench = Bench::over(memory, DEFAULT_MEMORY);
    assert_eq!(bench.settled(), 9);
    assert_eq!(bench.stats(START).held, 0);
    bench.sent = 9;
    bench.send_plain(DELAYED, 1);
    bench.turn_at(START + 20 * MS);
    bench.turn_at(START + 30 * MS);
    assert_eq!(bench.settled(), 10);
}

#[test]
fn what_is_held_goes_with_its_interface() {
    let mut bench = Bench::new();
    let memory = &bench.engine.memory;
    install(memory, DELAYED, |c| c.link[0].delay.constant_ns = 500 * MS);
    bench.send_plain(DELAYED, 1);
    bench.turn_at(START);
    bench.engine.memory.attach(3, 0);
    bench.send_plain(DELAYED, 2); // was in the TAP's ring
    assert!(bench.turn_at(START + HEARTBEAT_NS).is_empty());
    assert!(bench.engine.lanes[LANE].is_none());
    assert_eq!(bench.settled(), 2);
    assert_eq!(
        bench.engine.memory.published_lane(LANE),
        LaneStats::default()
    );
}

#[test]
fn the_next_interface_of_a_number_gets_nothing_of_the_one_before() {
    let mut bench = Bench::new();
    bench.send_plain(DELAYED, 1);
    bench.turn_at(START);
    bench.engine.memory.attach(3, 18); // as if the engine had slept over the detachment
    bench.sent = 0;
    bench.send_plain(DELAYED, 2);
    bench.turn_at(START + MS);
    assert_eq!(marks(&bench.turn_at(START + 11 * MS)), [2]);
    assert_eq!(bench.stats(START + 20 * MS).received, 1);
}

#[test]
fn packets_that_never_came_are_settled_once_their_interface_is_gone() {
    let mut bench = Bench::new();
    bench.engine.memory.send(LANE, 5);
    bench.turn_at(START + SWEEP_NS);
    assert_eq!(bench.settled(), 0);
    bench.engine.memory.attach(3, 0);
    bench.turn_at(START + 2 * SWEEP_NS);
    assert_eq!(bench.settled(), 5);
}

#[test]
fn a_lane_that_rests_is_looked_at_once_a_second() {
    let mut bench = Bench::new();
    bench.send_plain(NULL, 1);
    bench.turn_at(START);
    let ticks = |bench: &mut Bench, from: u64, count: u64| {
        for tick in from..from + count {
            bench.turn_at(START + tick * HEARTBEAT_NS);
        }
    };
    ticks(&mut bench, 1, 3);
    assert!(bench.engine.resting[LANE].is_some());
    // The TAP's ring loses a packet, and no other follows.
    bench.engine.memory.send(LANE, 2);
    ticks(&mut bench, 4, 2);
    assert_eq!(bench.settled(), 1);
    ticks(&mut bench, 6, ROUND as u64);
    assert_eq!(
        (bench.settled(), bench.engine.resting[LANE].is_some()),
        (2, true)
    );
    bench.engine.memory.attach(3, 0);
    ticks(&mut bench, 6 + ROUND as u64, ROUND as u64);
    assert!(bench.engine.lanes[LANE].is_none());
}

#[test]
fn lateness_is_told() {
    let mut bench = Bench::new();
    bench.send_plain(DELAYED, 1);
    bench.turn_at(START);
    bench.turn_at(START + 10 * MS + 1000);
    bench.turn_at(START + 10 * MS + HEARTBEAT_NS);
    let lateness = bench.engine.memory.engine_stats().lateness;
    assert_eq!(
        lateness.iter().position(|&count| count == 1),
        Some(10),
        "{lateness:?}"
    );
}

#[test]
fn garbage_is_counted_and_nothing_else() {
    let mut bench = Bench::new();
    bench.port.0.borrow_mut().incoming.push_back(vec![0xff; 50]);
    assert!(bench.turn_at(START).is_empty());
    bench.turn_at(START + HEARTBEAT_NS);
    assert_eq!(bench.engine.memory.engine_stats().unknown_frames, 1);
}

#[test]
fn a_packet_too_big_goes_on_in_fragments() {
    let mut bench = Bench::new();
    bench.send(NARROW, DETOUR_TOO_BIG, |header| {
        from_tap(plain_vnet(), header, &datagram(1400, false))
    });
    bench.turn_at(START);
    let lengths: Vec<usize> = bench
        .turn_at(START + MS)
        .iter()
        .map(|f| f.len() - VNET_HEADER - 18)
        .collect();
    assert_eq!(lengths, [596, 596, 276]);
    assert_eq!((bench.settled(), bench.stats(START).fragmented), (1, 1));
}

#[test]
fn a_packet_too_big_that_must_not_be_cut_is_answered() {
    let mut bench = Bench::new();
    bench.send(NARROW, DETOUR_TOO_BIG, |header| {
        from_tap(plain_vnet(), header, &datagram(1400, true))
    });
    let written = bench.turn_at(START);
    assert_eq!(written.len(), 1);
    let frame = &written[0][VNET_HEADER..];
    assert_eq!(frame[14] & 0x10, 0x10, "the other direction");
    assert_eq!(frame[18 + 20..][..2], [3, 4]);
    assert_eq!((bench.settled(), bench.stats(START).answered), (1, 1));
}

#[test]
fn a_superpacket_too_big_is_answered_once_and_its_short_end_goes_on() {
    let mut bench = Bench::new();
    let recipe = recipe(3100);
    bench.send(NARROW, DETOUR_TOO_BIG, |header| {
        superpacket(&recipe, header)
    });
    let mut written = bench.turn_at(START);
    written.extend(bench.turn_at(START + MS));
    assert_eq!(written.len(), 2);
    let end = segmented(&written[1]).remove(0);
    assert_eq!(end.len(), 18 + 28 + 100);
    assert!(checksums_hold(&end));
}

/// Tells the engine to end at `now`; what it wrote, and when it had ended.
fn leave_at(bench: &mut Bench, now: u64) -> (Vec<u8>, u64) {
    bench.clock.set(now);
    let clock = bench.clock.clone();
    let wait = |deadline: u64| {
        clock.set(deadline.max(clock.now()));
        Ok(())
    };
    bench.engine.leave(wait).expect("the port is well");
    let written = std::mem::take(&mut bench.port.0.borrow_mut().written);
    (marks(&written), bench.clock.now())
}

#[test]
fn an_engine_that_leaves_gives_out_what_it_holds_in_order() {
    let mut bench = Bench::new();
    for mark in 0..100 {
        bench.send_plain(DELAYED, mark);
    }
    bench.turn_at(START);
    bench.send_plain(DELAYED, 100); // in the TAP's ring
    let (written, end) = leave_at(&mut bench, START + MS);
    assert_eq!(written, (0..=100).collect::<Vec<u8>>());
    assert!(end < START + 9 * MS, "none waits for its time");
    assert_eq!((bench.settled(), bench.engine.memory.heartbeat()), (101, 0));
}

#[test]
fn an_engine_that_leaves_keeps_the_times_of_a_persona_that_fails_closed() {
    for (delay, left) in [(300 * MS, 1), (3_000 * MS, 0)] {
        let mut bench = Bench::new();
        let memory = &bench.engine.memory;
        install(memory, DELAYED, |c| c.link[0].delay.constant_ns = delay);
        memory.fail_closed(DELAYED.into());
        let (generation, slot) = (2, DELAYED.into());
        memory.wear(3, Word { generation, slot });
        bench.send_plain(DELAYED, 1);
        bench.turn_at(START);
        let (written, end) = leave_at(&mut bench, START + MS);
        assert_eq!((written.len(), bench.settled()), (left, 1));
        assert!((START + 300 * MS..START + 550 * MS).contains(&end), "{end}");
    }
}

/// A packet each 50 µs for 10 ms; where the engine rests afterwards.
fn rest_after_dense(bench: &mut Bench, slot: u16) -> Rest {
    for step in 0..200 {
        bench.send_plain(slot, 1);
        bench.turn_at(START + step * 50_000);
    }
    bench.engine.turn().expect("the port is well")
}

#[test]
fn dense_packets_that_stay_are_looked_for_and_leave_together() {
    let mut bench = Bench::new();
    let rest = rest_after_dense(&mut bench, DELAYED);
    assert!(rest.lazily);
    assert_eq!(rest.until, START + 10 * MS + 250_000);
    bench.turn_at(START + 10 * MS);
    let rest = bench.engine.turn().expect("the port is well");
    let next = START + 10 * MS + 50_000;
    assert_eq!((rest.lazily, rest.until), (true, next + 250_000));
}

#[test]
fn what_a_bottleneck_spaced_is_looked_for_but_leaves_on_time() {
    let mut bench = Bench::new();
    install(&bench.engine.memory, SHAPED, |c| {
        c.link[0].delay.constant_ns = 10 * MS;
        (c.link[0].rate_bps, c.link[0].burst_bytes) = (1_000_000_000, 100_000);
    });
    let rest = rest_after_dense(&mut bench, SHAPED);
    assert_eq!((rest.lazily, rest.until), (true, START + 10 * MS));
}

#[test]
fn a_bottleneck_knows_packets_that_were_looked_for_by_their_arrival() {
    let mut bench = Bench::new();
    install(&bench.engine.memory, SHAPED, |c| {
        c.link[0].delay.constant_ns = 10 * MS;
        (c.link[0].rate_bps, c.link[0].burst_bytes) = (1_000_000_000, 100_000);
    });
    rest_after_dense(&mut bench, SHAPED);
    let late = START + 10 * MS;
    bench.send(SHAPED, 0, |header| {
        let arrived_ns = late;
        from_tap(
            plain_vnet(),
            &DetourHeader {
                arrived_ns,
                ..*header
            },
            &[9; 60],
        )
    });
    bench.turn_at(late + 200_000); // some depart, too
    assert!(!marks(&bench.turn_at(late + 10 * MS - 1)).contains(&9));
    assert!(marks(&bench.turn_at(late + 10 * MS)).contains(&9));
}

#[test]
fn a_packet_that_came_while_others_were_read_keeps_its_arrival() {
    let mut bench = Bench::new();
    bench.send(DELAYED, 0, |header| {
        let arrived_ns = START + 20_000;
        from_tap(
            plain_vnet(),
            &DetourHeader {
                arrived_ns,
                ..*header
            },
            &[1; 60],
        )
    });
    bench.turn_at(START);
    assert_eq!(bench.engine.next_departure(), START + 10 * MS + 20_000);
}

#[test]
fn a_lane_whose_packets_leave_soon_is_waited_for() {
    let mut bench = Bench::new();
    assert!(!rest_after_dense(&mut bench, LOSSY).lazily);
    let mut bench = Bench::new();
    rest_after_dense(&mut bench, DELAYED);
    bench.send(LOSSY, 0, |header| from_tap(plain_vnet(), header, &[1; 60]));
    bench.turn_at(START + 10 * MS);
    assert!(!bench.engine.turn().expect("the port is well").lazily);
}

#[test]
fn few_packets_are_waited_for() {
    let mut bench = Bench::new();
    for step in 0..20 {
        bench.send_plain(DELAYED, 1);
        bench.turn_at(START + step * MS);
    }
    assert!(!bench.engine.turn().expect("the port is well").lazily);
}
