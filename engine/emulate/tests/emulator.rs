//! One direction of one attachment, packet by packet.

mod support;

use std::rc::Rc;

use bytemuck::Zeroable;
use netpersona_emulate::emulator::{Emulator, EmulatorOptions};
use netpersona_emulate::packet::Class;
use netpersona_emulate::settings::{LinkSettings, SettingsError};
use netpersona_layout::{self as layout, Conditions, DelayPoint, Link};
use support::{conditions, lane, link, poll, settings, Parcel, DEFAULT, MILLISECOND, SECOND};

fn delayed(ms: u64) -> Rc<LinkSettings> {
    link(|link| link.delay.constant_ns = ms * MILLISECOND)
}

fn dues(lane: &mut Emulator<Parcel>) -> Vec<(u64, u64)> {
    poll(lane, u64::MAX)
        .iter()
        .map(|left| (left.id, left.due))
        .collect()
}

fn units(lane: &mut Emulator<Parcel>, now: u64) -> Vec<(u32, u32, u64)> {
    let mut units = Vec::new();
    lane.poll(now, |parcel, due| {
        units.push((parcel.first, parcel.count, due))
    });
    units
}

#[test]
fn a_constant_delay_keeps_gso_packets_whole() {
    let mut lane = lane();
    lane.admit(5, 2, &delayed(10), DEFAULT, Parcel::new(0, 45, 1514));
    assert_eq!((lane.held(), lane.settled()), (45, 0));
    assert_eq!(lane.next_due(), Some(10 * MILLISECOND + 5));
    assert!(units(&mut lane, 10 * MILLISECOND + 4).is_empty());
    assert_eq!(
        units(&mut lane, 10 * MILLISECOND + 5),
        [(0, 45, 10 * MILLISECOND + 5)]
    );
    assert_eq!((lane.held(), lane.settled(), lane.next_due()), (0, 1, None));
}

#[test]
fn a_packet_is_settled_with_its_last_piece() {
    let link = link(|link| {
        link.duplicate.probability = 1.0;
        link.rate_bps = 12_112_000; // a segment every millisecond
    });
    let mut lane = lane();
    lane.admit(0, 2, &link, DEFAULT, Parcel::new(0, 2, 1514));
    assert_eq!(poll(&mut lane, 3 * MILLISECOND).len(), 3);
    assert_eq!(lane.settled(), 0);
    assert_eq!(poll(&mut lane, 4 * MILLISECOND).len(), 1);
    assert_eq!(lane.settled(), 1);
}

// ---- rate and queues -------------------------------------------------------

#[test]
fn a_rate_spaces_out_gso_packets_in_grains_of_fifty_microseconds() {
    let link = link(|link| link.rate_bps = 1_000_000_000);
    let mut lane = lane();
    lane.admit(0, 2, &link, DEFAULT, Parcel::new(0, 10, 1250));
    let expected = [(0, 5, 50_000), (5, 5, 100_000)];
    assert_eq!(units(&mut lane, SECOND), expected);
}

/// Rate and burst against the burst of a backlog that is asked for at once: no stretch of time, the
/// first one included, carries more than burst and rate allow, nothing is late by more than a grain
/// of 600 µs, and departures are that far apart where the burst allows.
#[test]
fn a_backlog_leaves_in_grains_within_the_burst() {
    for (rate, burst, segments, bytes) in [
        (100_000_000, 50_000, 45, 1514),
        (1_000_000_000, 500_000, 45, 1514),
        (1_000_000_000, 500_000, 1, 60),
        (1_000_000_000, 20_000, 45, 1514),
        (10_000_000_000, 5_000_000, 45, 1514),
    ] {
        let left = backlog(rate, burst, segments, bytes);
        let of_rate = |ns: u64| u128::from(rate) * u128::from(ns) / 8 / u128::from(SECOND);
        let grain = of_rate(600_000).min(burst.into());
        for (from, (start, _)) in left.iter().enumerate() {
            let mut sum = 0;
            for (due, bytes) in &left[from..] {
                sum += u128::from(*bytes);
                let allowed = u128::from(burst) + of_rate(due - start) + 1;
                assert!(
                    sum <= allowed,
                    "{rate} {burst}: {sum} of {allowed} at {due}"
                );
            }
        }
        let (last, total) = (
            left[left.len() - 1].0,
            left.iter().map(|(_, b)| *b).sum::<u64>(),
        );
        assert!(
            u128::from(total - burst) + grain >= of_rate(last),
            "{rate} {burst}: late"
        );
        let grains = of_rate(last) / grain;
        assert!(
            (left.len() as u128) < 2 * grains + 3,
            "{rate} {burst}: {}",
            left.len()
        );
    }
}

/// When how much left of 40 ms of wire time that came at once.
fn backlog(rate: u64, burst: u64, segments: u32, bytes: u64) -> Vec<(u64, u64)> {
    let link = link(|link| {
        (link.rate_bps, link.burst_bytes) = (rate, burst);
        link.default_queue_length = u32::MAX;
    });
    let mut lane = lane();
    for id in 0..rate / 25 / 8 / (u64::from(segments) * bytes) {
        lane.admit(0, 2, &link, DEFAULT, Parcel::new(id, segments, bytes));
    }
    let mut left: Vec<(u64, u64)> = Vec::new();
    lane.poll(SECOND, |parcel, due| {
        let bytes = u64::from(parcel.count) * bytes;
        match left.last_mut() {
            Some((before, sum)) if *before == due => *sum += bytes,
            _ => left.push((due, bytes)),
        }
    });
    left
}

#[test]
fn a_superpacket_stays_whole_where_a_grain_covers_it() {
    let link = link(|link| (link.rate_bps, link.burst_bytes) = (1_000_000_000, 500_000));
    let mut lane = lane();
    (0..20).for_each(|id| lane.admit(0, 2, &link, DEFAULT, Parcel::new(id, 45, 1514)));
    let counts: Vec<u32> = units(&mut lane, SECOND).iter().map(|unit| unit.1).collect();
    assert_eq!(counts, [45; 20]);
}

#[test]
fn a_higher_priority_does_not_wait_for_the_grain_of_a_lower() {
    let mut conditions = conditions(|link| {
        (link.rate_bps, link.burst_bytes) = (1_000_000_000, 500_000);
    });
    conditions.queue[3] = layout::Queue {
        length: 10,
        priority: 7,
        reserved: [0; 3],
    };
    let link = settings(&conditions);
    let voice = Class {
        queue: 3,
        priority: 0,
    };
    let mut lane = lane();
    (0..20).for_each(|id| lane.admit(0, 2, &link, DEFAULT, Parcel::new(id, 45, 1514)));
    lane.poll(0, |_, _| ()); // the burst
    lane.admit(300_000, 2, &link, voice, Parcel::new(20, 1, 214));
    assert_eq!(units(&mut lane, 300_000), [(0, 1, 300_000)]);
}

#[test]
fn a_burst_leaves_at_once() {
    let link = link(|link| {
        link.rate_bps = 8_000_000;
        link.burst_bytes = 4500;
    });
    let mut lane = lane();
    lane.admit(0, 2, &link, DEFAULT, Parcel::new(0, 4, 1500));
    assert_eq!(units(&mut lane, SECOND), [(0, 3, 0), (3, 1, 1_500_000)]);
}

#[test]
fn with_a_delay_behind_the_rate_only_departures_wake() {
    let mut lane = lane();
    let both = link(|link| {
        link.rate_bps = 12_112_000;
        link.delay.constant_ns = 10 * MILLISECOND;
    });
    (0..3).for_each(|id| lane.admit(0, 2, &both, DEFAULT, Parcel::new(id, 1, 1514)));
    assert_eq!(lane.next_due(), Some(11 * MILLISECOND));
    let shorter = link(|link| {
        link.rate_bps = 12_112_000;
        link.reorder.probability = 1.0;
    });
    lane.admit(0, 4, &shorter, DEFAULT, Parcel::new(3, 1, 1514));
    assert_eq!(lane.next_due(), Some(MILLISECOND));
    let left: Vec<_> = [1, 4, 11, 12, 13]
        .map(|ms| units(&mut lane, ms * MILLISECOND).len())
        .into();
    assert_eq!(left, [0, 1, 1, 1, 1]);
}

#[test]
fn a_lost_segment_takes_its_share_of_the_rate() {
    let link = link(|link| {
        link.rate_bps = 12_112_000;
        link.loss.model = layout::LOSS_BERNOULLI;
        link.loss.p[0] = 1.0;
    });
    let mut lane = lane();
    lane.admit(0, 2, &link, DEFAULT, Parcel::new(0, 3, 1514));
    assert!(poll(&mut lane, 2 * MILLISECOND).is_empty());
    assert_eq!((lane.held(), lane.stats().lost, lane.settled()), (1, 2, 0));
    assert!(poll(&mut lane, 3 * MILLISECOND).is_empty());
    assert_eq!((lane.held(), lane.stats().lost, lane.settled()), (0, 3, 1));
}

#[test]
fn a_full_queue_drops_the_tail() {
    let link = link(|link| {
        link.rate_bps = 12_112_000;
        link.default_queue_length = 5;
    });
    let mut lane = lane();
    lane.admit(0, 2, &link, DEFAULT, Parcel::new(0, 8, 1514));
    lane.admit(0, 2, &link, DEFAULT, Parcel::new(1, 1, 1514));
    assert_eq!(
        (lane.held(), lane.stats().dropped_queue, lane.settled()),
        (5, 4, 1)
    );
    let left: Vec<_> = poll(&mut lane, SECOND)
        .iter()
        .map(|left| left.segment)
        .collect();
    assert_eq!(left, [0, 1, 2, 3, 4]);
    assert_eq!(lane.settled(), 2);
}

#[test]
fn a_higher_priority_is_served_first_and_each_queue_has_its_length() {
    let mut conditions = conditions(|link| link.rate_bps = 8_000_000);
    conditions.queue[3] = layout::Queue {
        length: 2,
        priority: 7,
        reserved: [0; 3],
    };
    let link = settings(&conditions);
    let voice = Class {
        queue: 3,
        priority: 0,
    };
    let mut lane = lane();
    for id in 0..3 {
        lane.admit(0, 2, &link, DEFAULT, Parcel::new(id, 1, 1000));
    }
    for id in 3..6 {
        lane.admit(1, 2, &link, voice, Parcel::new(id, 1, 1000));
    }
    let order: Vec<u64> = dues(&mut lane).iter().map(|(id, _)| *id).collect();
    assert_eq!(order, [3, 4, 0, 1, 2]);
    assert_eq!(lane.stats().dropped_queue, 1);
}

#[test]
fn a_full_delay_line_drops_and_counts() {
    let link = link(|link| {
        link.delay.constant_ns = SECOND;
        link.delay_limit = 10;
    });
    let mut lane = lane();
    for id in 0..3 {
        lane.admit(0, 2, &link, DEFAULT, Parcel::new(id, 4, 1514));
    }
    assert_eq!((lane.held(), lane.stats().dropped_line), (10, 2));
    assert_eq!(dues(&mut lane).len(), 10);
    assert_eq!(lane.settled(), 3);
}

/// Asked and achieved over ten seconds, for GSO packets and small ones.
#[test]
fn rates_hold_within_one_percent() {
    println!(
        "{:>16} {:>8} {:>16} {:>9}",
        "asked bit/s", "bytes", "achieved bit/s", "error"
    );
    for (rate, segments, bytes) in [
        (1_000, 1, 60),
        (56_000, 1, 125),
        (420_000, 1, 1514),
        (1_500_000, 45, 125),
        (99_999_999, 45, 1514),
        (1_000_000_000, 45, 1514),
        (10_000_000_000, 45, 1514),
    ] {
        let achieved = achieved_rate(rate, segments, bytes);
        let error = achieved / rate as f64 - 1.0;
        println!(
            "{rate:>16} {bytes:>8} {achieved:>16.1} {:>8.4}%",
            error * 100.0
        );
        assert!(error.abs() < 0.01, "rate {rate}: {achieved}");
    }
}

/// Bits in the time that they took, over about ten seconds of a backlogged lane.
fn achieved_rate(rate: u64, segments: u32, bytes: u64) -> f64 {
    let link = link(|link| {
        link.rate_bps = rate;
        link.default_queue_length = u32::MAX;
    });
    let packet_bits = u64::from(segments) * bytes * 8;
    let mut lane = lane();
    let (mut id, mut bits, mut last) = (0, 0, 0);
    for now in (0..10 * SECOND).step_by(10_000_019) {
        while id * packet_bits < (now / 1_000_000 + 20) * rate / 1000 + packet_bits {
            lane.admit(now, 2, &link, DEFAULT, Parcel::new(id, segments, bytes));
            id += 1;
        }
        lane.poll(now, |parcel, due| {
            bits += u64::from(parcel.count) * bytes * 8;
            last = due;
        });
    }
    bits as f64 / last as f64 * SECOND as f64
}

// ---- order -----------------------------------------------------------------

#[test]
fn a_reordered_segment_overtakes_and_the_rest_does_not() {
    let link = link(|link| {
        link.delay.constant_ns = MILLISECOND;
        link.reorder.probability = 0.2;
    });
    let mut lane = lane();
    (0..50).for_each(|id| lane.admit(id, 2, &link, DEFAULT, Parcel::new(id, 1, 100)));
    let left = dues(&mut lane);
    let (late, early): (Vec<_>, Vec<_>) = left.iter().partition(|(_, due)| *due >= MILLISECOND);
    assert_eq!(early.len() as u64, lane.stats().reordered);
    assert!(!early.is_empty() && early.iter().all(|(id, due)| due == id));
    assert!(late.is_sorted());
}

#[test]
fn the_first_packet_of_an_idle_lane_is_held() {
    let mut lane = Emulator::new(EmulatorOptions {
        entropy: 1,
        entry_guard_ns: layout::LANE_QUIET_NS,
    });
    let lossy = link(|link| link.loss.p[0] = 0.0);
    lane.admit(1000, 2, &lossy, DEFAULT, Parcel::new(0, 1, 100));
    lane.admit(2000, 2, &lossy, DEFAULT, Parcel::new(1, 1, 100));
    lane.admit(SECOND, 2, &lossy, DEFAULT, Parcel::new(2, 1, 100));
    assert_eq!(dues(&mut lane), [(0, 201_000), (1, 201_000), (2, SECOND)]);
}

// ---- the switch ------------------------------------------------------------

#[test]
fn a_shorter_delay_does_not_overtake() {
    let mut lane = lane();
    lane.admit(0, 2, &delayed(100), DEFAULT, Parcel::new(0, 1, 100));
    lane.admit(
        MILLISECOND,
        4,
        &delayed(10),
        DEFAULT,
        Parcel::new(1, 1, 100),
    );
    lane.admit(
        95 * MILLISECOND,
        4,
        &delayed(10),
        DEFAULT,
        Parcel::new(2, 1, 100),
    );
    let expected = [(0, 100), (1, 100), (2, 105)].map(|(id, ms)| (id, ms * MILLISECOND));
    assert_eq!(dues(&mut lane), expected);
}

#[test]
fn a_packet_without_conditions_stays_behind() {
    let mut lane = lane();
    lane.admit(0, 2, &delayed(100), DEFAULT, Parcel::new(0, 1, 100));
    let pass = Rc::new(LinkSettings::pass());
    lane.admit(1, 4, &pass, DEFAULT, Parcel::new(1, 1, 100));
    lane.admit(SECOND, 4, &pass, DEFAULT, Parcel::new(2, 1, 100));
    assert_eq!(
        dues(&mut lane),
        [(0, 100 * MILLISECOND), (1, 100 * MILLISECOND), (2, SECOND)]
    );
}

#[test]
fn what_waits_is_served_at_the_new_rate() {
    let mut lane = lane();
    let slow = link(|link| link.rate_bps = 8_000);
    let fast = link(|link| link.rate_bps = 8_000_000);
    (0..3).for_each(|id| lane.admit(0, 2, &slow, DEFAULT, Parcel::new(id, 1, 1000)));
    lane.adopt(SECOND / 2, 4, &fast);
    // Half of the first frame was out: its tokens go, the depth being 0.
    let start = SECOND / 2;
    let expected = [(0, start + MILLISECOND), (1, start + 2 * MILLISECOND)];
    assert_eq!(dues(&mut lane)[..2], expected);
}

#[test]
fn a_rate_taken_away_frees_what_waits() {
    let mut lane = lane();
    let slow = link(|link| link.rate_bps = 8_000);
    (0..3).for_each(|id| lane.admit(0, 2, &slow, DEFAULT, Parcel::new(id, 1, 1000)));
    lane.admit(
        7,
        4,
        &Rc::new(LinkSettings::pass()),
        DEFAULT,
        Parcel::new(3, 1, 1000),
    );
    assert_eq!(dues(&mut lane), [(0, 7), (1, 7), (2, 7), (3, 7)]);
}

fn switched(in_flight: u32) -> Emulator<Parcel> {
    let mut lane = lane();
    let mut before = conditions(|link| link.rate_bps = 8_000_000);
    before.link[layout::EGRESS].delay.constant_ns = SECOND;
    let before = settings(&before);
    (0..4).for_each(|id| lane.admit(0, 2, &before, DEFAULT, Parcel::new(id, 1, 1000)));
    let mut after = conditions(|_| {});
    after.in_flight = in_flight;
    lane.adopt(2 * MILLISECOND, 4, &settings(&after));
    lane
}

#[test]
fn keep_keeps_departure_times() {
    let mut lane = switched(layout::IN_FLIGHT_KEEP);
    let expected =
        [(0, 1001), (1, 1002), (2, 1002), (3, 1002)].map(|(id, ms)| (id, ms * MILLISECOND));
    assert_eq!(dues(&mut lane), expected);
}

#[test]
fn drain_sends_everything_at_once_in_order() {
    let mut lane = switched(layout::IN_FLIGHT_DRAIN);
    assert_eq!(
        dues(&mut lane),
        [0, 1, 2, 3].map(|id| (id, 2 * MILLISECOND))
    );
}

#[test]
fn flush_drops_and_counts() {
    let mut lane = switched(layout::IN_FLIGHT_FLUSH);
    assert_eq!(
        (lane.held(), lane.settled(), lane.stats().flushed),
        (0, 4, 4)
    );
    assert!(dues(&mut lane).is_empty());
}

#[test]
fn a_straggler_is_judged_by_its_own_persona() {
    let lossy = link(|link| {
        link.loss.model = layout::LOSS_BERNOULLI;
        link.loss.p[0] = 1.0;
    });
    let mut lane = lane();
    lane.admit(0, 2, &lossy, DEFAULT, Parcel::new(0, 1, 100));
    lane.admit(1, 4, &delayed(1), DEFAULT, Parcel::new(1, 1, 100));
    lane.admit(2, 2, &lossy, DEFAULT, Parcel::new(2, 1, 100));
    lane.admit(3, 4, &delayed(1), DEFAULT, Parcel::new(3, 1, 100));
    assert_eq!(lane.stats().generation, 4);
    assert_eq!(lane.stats().lost, 2);
    assert_eq!(
        dues(&mut lane),
        [(1, MILLISECOND + 1), (3, MILLISECOND + 3)]
    );
}

#[test]
fn generations_wrap() {
    let mut lane = lane();
    lane.adopt(0, u32::MAX, &delayed(1));
    lane.adopt(0, 1, &delayed(2));
    assert_eq!(lane.stats().generation, 1);
    lane.adopt(0, u32::MAX, &delayed(1));
    assert_eq!(lane.stats().generation, 1);
}

// ---- seeds and size --------------------------------------------------------

#[test]
fn a_persona_without_a_seed_gets_one_that_repeats_it() {
    let mut unseeded = conditions(|link| link.loss.p[0] = 0.5);
    unseeded.link[0].loss.model = layout::LOSS_BERNOULLI;
    unseeded.seed = 0;
    let lost = |conditions: &Conditions, entropy| {
        let mut lane = Emulator::new(EmulatorOptions {
            entropy,
            entry_guard_ns: 0,
        });
        lane.admit(
            0,
            2,
            &settings(conditions),
            DEFAULT,
            Parcel::new(0, 100, 100),
        );
        let left: Vec<u32> = poll(&mut lane, SECOND)
            .iter()
            .map(|left| left.segment)
            .collect();
        (left, lane.stats().seed)
    };
    let (first, seed) = lost(&unseeded, 1);
    assert_ne!(first, lost(&unseeded, 2).0);
    let seeded = Conditions { seed, ..unseeded };
    assert_eq!((first, seed), lost(&seeded, 3));
}

#[test]
fn an_idle_lane_is_small() {
    assert!(
        size_of::<Emulator<Parcel>>() <= 3072,
        "{}",
        size_of::<Emulator<Parcel>>()
    );
}

// ---- settings -----------------------------------------------------------------

fn refused(edit: impl FnOnce(&mut Link)) -> SettingsError {
    LinkSettings::new(&conditions(edit), layout::EGRESS).expect_err("not a valid persona")
}

#[test]
fn a_direction_without_conditions_passes() {
    let settings = LinkSettings::new(&Conditions::zeroed(), layout::INGRESS).unwrap();
    assert_eq!(
        settings,
        LinkSettings {
            direction: layout::INGRESS,
            ..LinkSettings::pass()
        }
    );
}

#[test]
fn bad_conditions_are_refused_by_name() {
    let nan = refused(|link| link.corrupt.probability = f64::NAN);
    assert!(matches!(
        nan,
        SettingsError::Probability {
            field: "corrupt",
            ..
        }
    ));
    assert_eq!(
        refused(|link| link.loss.model = 9),
        SettingsError::LossModel(9)
    );
    assert_eq!(
        refused(|link| link.delay.points = 1),
        SettingsError::TableLength(1)
    );
    assert_eq!(
        refused(|link| link.delay.points = 257),
        SettingsError::TableLength(257)
    );
    assert_eq!(
        refused(|link| link.delay.points = 2),
        SettingsError::TableEnds
    );
    let order = refused(|link| {
        link.delay.points = 3;
        link.delay.table[2] = DelayPoint { p: u32::MAX, x: 0 };
    });
    assert_eq!(order, SettingsError::TableOrder { point: 1 });
    let long = refused(|link| link.delay.constant_ns = u64::MAX);
    assert_eq!(long, SettingsError::DelayTooLong(u64::MAX));
    let queue = refused(|link| (link.rate_bps, link.default_queue_length) = (1, 0));
    assert_eq!(queue, SettingsError::NoQueueLength);
    let chain = refused(|link| {
        link.loss.model = layout::LOSS_FOUR_STATE;
        link.loss.p = [0.6, 0.5, 0.6, 0.1, 0.1, 0.0];
    });
    assert!(matches!(
        chain,
        SettingsError::TransitionsAboveOne { state: 3, .. }
    ));
    assert_eq!(
        LinkSettings::new(&conditions(|_| {}), 2).unwrap_err(),
        SettingsError::Direction(2)
    );
}
