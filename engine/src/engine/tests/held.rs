//! What is held, when it leaves, and what is settled then.

use super::*;

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
        bench.engine.memory.bind(3, Word { generation, slot });
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
