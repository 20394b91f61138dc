//! Beats, backlogs and rest: how long a turn may take, and what is told of it.

use super::*;

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
fn how_long_packets_were_held_is_told() {
    let mut bench = Bench::new();
    for mark in 0..3 {
        bench.send_plain(DELAYED, mark);
    }
    bench.turn_at(START);
    bench.turn_at(START + 10 * MS + 1000);
    bench.turn_at(START + 10 * MS + HEARTBEAT_NS);
    let delays = bench.engine.memory.published_delays(LANE);
    assert_eq!((delays.packets, delays.bytes), (3, 3 * 60));
    assert_eq!(delays.held_ns, 3 * (10 * MS + 1000));
    assert_eq!(
        delays.histogram[netpersona_layout::times::bucket(10_001)],
        3
    );
}

#[test]
fn a_new_engine_forgets_how_long_packets_were_held() {
    let memory = Memory::for_tests();
    let mut delays: netpersona_layout::LaneDelays = bytemuck::Zeroable::zeroed();
    delays.packets = 7;
    memory.publish_delays(LANE, &delays);
    let bench = Bench::over(memory, DEFAULT_MEMORY);
    assert_eq!(bench.engine.memory.published_delays(LANE).packets, 0);
}

#[test]
fn garbage_is_counted_and_nothing_else() {
    let mut bench = Bench::new();
    bench.port.0.borrow_mut().incoming.push_back(vec![0xff; 50]);
    assert!(bench.turn_at(START).is_empty());
    bench.turn_at(START + HEARTBEAT_NS);
    assert_eq!(bench.engine.memory.engine_stats().unknown_frames, 1);
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
