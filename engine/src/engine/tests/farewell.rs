//! An engine that is told to end.

use super::*;

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
        memory.bind(3, Word { generation, slot });
        bench.send_plain(DELAYED, 1);
        bench.turn_at(START);
        let (written, end) = leave_at(&mut bench, START + MS);
        assert_eq!((written.len(), bench.settled()), (left, 1));
        assert!((START + 300 * MS..START + 550 * MS).contains(&end), "{end}");
    }
}
