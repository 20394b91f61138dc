//! What holds for any packets, personas, switches and times.

mod support;

use std::collections::BTreeMap;
use std::rc::Rc;

use bytemuck::bytes_of_mut;
use netpersona_emulate::emulator::Emulator;
use netpersona_emulate::packet::Class;
use netpersona_emulate::settings::{InFlight, LinkSettings};
use netpersona_layout::{self as layout, Conditions, Queue};
use proptest::collection::vec;
use proptest::prelude::*;
use support::{
    conditions, distributions, lane, poll, settings, Left, Parcel, DEFAULT, MILLISECOND,
};

#[derive(Debug, Clone, Copy)]
enum Event {
    /// A packet of so many segments in queue 0 or the default one, decided by
    /// the persona in force or, a straggler, by the one before.
    Packet {
        segments: u32,
        queued: bool,
        straggler: bool,
    },
    Switch {
        persona: usize,
    },
    Poll,
}

/// An event, and the time since the one before, ns.
type Step = (u64, Event);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let packet = (1..50u32, any::<bool>(), prop::bool::weighted(0.1)).prop_map(
        |(segments, queued, straggler)| Event::Packet {
            segments,
            queued,
            straggler,
        },
    );
    let event = prop_oneof![
        6 => packet,
        1 => (0..4usize).prop_map(|persona| Event::Switch { persona }),
        3 => Just(Event::Poll),
    ];
    let gap = prop_oneof![Just(0), 1..1000u64, 1..20 * MILLISECOND];
    vec((gap, event), 1..120)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// Keeps order: one queue served, nothing reordered.
    Ordered,
    Any,
}

fn persona(kind: Kind) -> impl Strategy<Value = Conditions> {
    let chance = || prop_oneof![2 => Just(0.0), 1 => 0.0..=1.0f64];
    let rate = prop_oneof![Just(0), 100_000..10_000_000_000u64];
    let line = prop_oneof![Just(0), 1..200u64];
    (
        (any::<u64>(), 0..3u32, rate, 0..100_000u64, 1..200u32, line),
        (0..4u32, chance(), chance(), chance(), chance(), chance()),
        (0..5u8, 0..20 * MILLISECOND, any::<bool>(), 0..3u64),
    )
        .prop_map(move |(shape, chances, delay)| {
            let (seed, in_flight, rate, burst, length, line) = shape;
            let (model, loss, more, duplicate, corrupt, reorder) = chances;
            let (table, constant, free, coherence) = delay;
            let mut made = conditions(|link| {
                (link.rate_bps, link.burst_bytes) = (rate, burst);
                (link.default_queue_length, link.delay_limit) = (length, line);
                link.loss.model = model;
                link.loss.p = [loss / 2.0, more / 2.0, loss / 2.0, more, loss / 2.0, 0.0];
                link.duplicate = layout::Chance {
                    probability: duplicate,
                    correlation: loss,
                };
                link.corrupt = layout::Chance {
                    probability: corrupt,
                    correlation: more,
                };
                link.delay.constant_ns = constant;
                link.delay.coherence_ns = coherence * MILLISECOND;
                match table {
                    0 => distributions::uniform().write(&mut link.delay),
                    1 => distributions::normal().write(&mut link.delay),
                    2 => two_humps(&mut link.delay),
                    _ => {}
                }
                if kind == Kind::Any {
                    link.reorder.probability = reorder;
                    link.flags |= u32::from(free) * layout::LINK_ORDER_FREE;
                }
            });
            (made.seed, made.in_flight) = (seed, in_flight);
            if kind == Kind::Any {
                made.queue[0] = Queue {
                    length: 50,
                    priority: 5,
                    reserved: [0; 3],
                };
            }
            made
        })
}

/// A distribution that is not log-concave: half at 5 ms, half at 50 ms.
fn two_humps(delay: &mut layout::Delay) {
    (delay.base_ns, delay.span_ns, delay.points) = (5 * MILLISECOND, 46 * MILLISECOND, 4);
    let points = [(0.0, 0.0), (0.5, 0.02), (0.51, 0.98), (1.0, 1.0)];
    for (point, (p, x)) in delay.table.iter_mut().zip(points) {
        let scale = f64::from(u32::MAX);
        *point = layout::DelayPoint {
            p: (p * scale) as u32,
            x: (x * scale) as u32,
        };
    }
}

fn personas(kind: Kind) -> impl Strategy<Value = Vec<Rc<LinkSettings>>> {
    vec(
        persona(kind).prop_map(|conditions| settings(&conditions)),
        4,
    )
}

fn edited(
    personas: &[Rc<LinkSettings>],
    edit: impl Fn(&LinkSettings) -> LinkSettings,
) -> Vec<Rc<LinkSettings>> {
    personas.iter().map(|link| Rc::new(edit(link))).collect()
}

/// Without drops that depend on how much has been handed out.
fn unbounded(link: &LinkSettings) -> LinkSettings {
    LinkSettings {
        delay_limit: u64::MAX,
        in_flight: InFlight::Keep,
        ..link.clone()
    }
}

/// Plays steps against a lane.
struct Player {
    lane: Emulator<Parcel>,
    personas: Vec<Rc<LinkSettings>>,
    history: Vec<(u32, usize)>,
    admitted: u64,
    now: u64,
}

impl Player {
    fn new(personas: Vec<Rc<LinkSettings>>) -> Self {
        Self {
            lane: lane(),
            personas,
            history: vec![(2, 0)],
            admitted: 0,
            now: 0,
        }
    }

    fn play(&mut self, (gap, event): Step) -> Vec<Left> {
        self.now += gap;
        match event {
            Event::Poll => return poll(&mut self.lane, self.now),
            Event::Switch { persona } => {
                let generation = self.history.len() as u32 * 2 + 2;
                self.history.push((generation, persona));
            }
            Event::Packet {
                segments,
                queued,
                straggler,
            } => {
                let back = 1 + usize::from(straggler).min(self.history.len() - 1);
                let (generation, persona) = self.history[self.history.len() - back];
                let class = if queued {
                    Class {
                        queue: 0,
                        priority: 0,
                    }
                } else {
                    DEFAULT
                };
                let parcel = Parcel::new(self.admitted, segments, 1000);
                self.lane
                    .admit(self.now, generation, &self.personas[persona], class, parcel);
                self.admitted += 1;
            }
        }
        Vec::new()
    }

    fn finish(&mut self) -> Vec<Left> {
        poll(&mut self.lane, u64::MAX)
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn order_is_kept(personas in personas(Kind::Ordered), steps in steps()) {
        let mut player = Player::new(personas);
        let mut left: Vec<Left> = steps.into_iter().flat_map(|step| player.play(step)).collect();
        left.extend(player.finish());
        prop_assert!(left.is_sorted_by_key(|left| (left.id, left.segment)));
        prop_assert!(left.is_sorted_by_key(|left| left.due));
    }

    #[test]
    fn nothing_leaves_early_or_late(personas in personas(Kind::Any), steps in steps()) {
        let mut player = Player::new(personas);
        let mut arrivals = Vec::new();
        let mut polled = 0;
        for step in steps {
            let (admitted, left) = (player.admitted, player.play(step));
            arrivals.extend((admitted..player.admitted).map(|_| player.now));
            prop_assert!(left.iter().all(|left| left.due >= arrivals[left.id as usize]));
            prop_assert!(left.iter().all(|left| left.due <= player.now));
            prop_assert!(left.is_sorted_by_key(|left| left.due));
            if matches!(step.1, Event::Poll) {
                prop_assert!(left.iter().all(|left| left.due >= polled));
                prop_assert!(player.lane.next_due().is_none_or(|due| due > player.now));
                polled = player.now;
            }
            prop_assert_eq!(player.lane.next_due().is_none(), player.lane.held() == 0);
        }
    }

    #[test]
    fn segments_are_conserved(personas in personas(Kind::Any), steps in steps()) {
        let mut player = Player::new(personas);
        let mut emitted = 0;
        for step in steps {
            emitted += player.play(step).len() as u64;
            let stats = player.lane.stats();
            let gone = stats.lost + stats.dropped_queue + stats.dropped_line + stats.flushed;
            prop_assert_eq!(stats.emitted, emitted);
            prop_assert_eq!(stats.received + stats.duplicated, emitted + gone + stats.held);
            prop_assert!(player.lane.settled() <= player.admitted);
            prop_assert_eq!(player.lane.settled() == player.admitted, stats.held == 0);
        }
        player.finish();
        prop_assert_eq!(player.lane.settled(), player.admitted);
        prop_assert_eq!(player.lane.held(), 0);
    }

    /// Every packet with nothing lost is settled as its last segment leaves.
    #[test]
    fn settled_counts_whole_packets(personas in personas(Kind::Any), steps in steps()) {
        let lossless = |link: &LinkSettings| {
            let LinkSettings { loss, duplicate, .. } = LinkSettings::pass();
            LinkSettings { loss, duplicate, rate: None, ..unbounded(link) }
        };
        let mut player = Player::new(edited(&personas, lossless));
        let mut open: BTreeMap<u64, u32> = BTreeMap::new();
        for step in steps {
            if let Event::Packet { segments, .. } = step.1 {
                open.insert(player.admitted, segments);
            }
            for left in player.play(step) {
                *open.get_mut(&left.id).unwrap() -= 1;
            }
            let whole = open.values().filter(|segments| **segments == 0).count() as u64;
            prop_assert_eq!(player.lane.settled(), whole);
        }
    }

    /// When the loop gets round to polling changes nothing but when packets are handed out.
    #[test]
    fn due_times_do_not_depend_on_polls(personas in personas(Kind::Any), steps in steps()) {
        let personas = edited(&personas, unbounded);
        let run = |polls: bool| {
            let mut player = Player::new(personas.clone());
            let mut left = Vec::new();
            for (gap, event) in &steps {
                match event {
                    Event::Poll if !polls => player.now += gap,
                    _ => left.extend(player.play((*gap, *event))),
                }
            }
            left.extend(player.finish());
            left.sort();
            left
        };
        prop_assert_eq!(run(true), run(false));
    }

    /// Same seed, same packets: the same are lost, doubled and corrupted, however they are timed.
    #[test]
    fn decisions_do_not_depend_on_time(
        conditions in persona(Kind::Any),
        packets in vec((1..50u32, 0..5 * MILLISECOND, 0..5 * MILLISECOND), 1..60),
    ) {
        let mut conditions = conditions;
        let link = &mut conditions.link[layout::EGRESS];
        (link.rate_bps, link.delay_limit) = (0, 0);
        conditions.seed = conditions.seed.max(1);
        let settings = settings(&conditions);
        let run = |slow: bool| {
            let (mut lane, mut now) = (lane(), 0);
            for (id, (segments, short, long)) in (0..).zip(&packets) {
                now += if slow { long + 10 * MILLISECOND } else { *short };
                lane.admit(now, 2, &settings, DEFAULT, Parcel::new(id, *segments, 1000));
            }
            let left = poll(&mut lane, u64::MAX);
            let mut fates: Vec<_> =
                left.iter().map(|left| (left.id, left.segment, left.corrupted)).collect();
            fates.sort();
            fates
        };
        prop_assert_eq!(run(false), run(true));
    }

    /// Any bytes are refused or work.
    #[test]
    fn arbitrary_bytes_never_panic(
        valid in persona(Kind::Any),
        edits in vec((0..size_of::<Conditions>(), any::<u8>()), 0..24),
        noise in prop::option::weighted(0.1, vec(any::<u8>(), size_of::<Conditions>())),
        steps in steps(),
    ) {
        let mut conditions = valid;
        let bytes = bytes_of_mut(&mut conditions);
        if let Some(noise) = noise {
            bytes.copy_from_slice(&noise);
        }
        for (at, byte) in edits {
            bytes[at] = byte;
        }
        for direction in 0..3 {
            if let Ok(settings) = LinkSettings::new(&conditions, direction) {
                let same = Rc::new(settings);
                let mut player = Player::new(std::iter::repeat_n(same, 4).collect());
                steps.iter().for_each(|step| { player.play(*step); });
                player.finish();
            }
        }
    }
}
