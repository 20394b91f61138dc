//! One direction of one attachment: all that its link does to packets.
//!
//! admit → decisions → queues → token bucket → delay line → poll. Time is
//! `now`, in ns of any monotonic clock; nothing here reads one.

use std::rc::Rc;

use crate::fates::{Fates, Piece, Wait};
use crate::packet::{Class, Packet};
use crate::rng;
use crate::settings::{InFlight, LinkSettings, QueueSettings};
use crate::timeline::Timeline;
use crate::unit::{Share, Unit};
use netpersona_layout::bindings::is_newer;
use netpersona_layout::LaneStats;

#[derive(Debug, Clone, Copy, Default)]
pub struct EmulatorOptions {
    /// Seeds personas that name no seed; the seed in force is in the statistics.
    pub entropy: u64,
    /// The first packet of a persona with conditions leaves an idle lane no
    /// earlier than this after its arrival, ns: packets that went straight on
    /// before it may still be under way (`layout::LANE_QUIET_NS`). 0: no guard.
    pub entry_guard_ns: u64,
}

#[derive(Debug)]
pub struct Emulator<P> {
    options: EmulatorOptions,
    current: Option<Fates>,
    /// Judges packets decided by the word before, caught by a switch.
    previous: Option<Box<Fates>>,
    timeline: Timeline<P>,
    arrivals: u64,
    stats: LaneStats,
    pieces: Vec<Piece>,
}

impl<P: Packet> Emulator<P> {
    pub fn new(options: EmulatorOptions) -> Self {
        Self {
            options,
            current: None,
            previous: None,
            timeline: Timeline::new(),
            arrivals: 0,
            stats: LaneStats::default(),
            pieces: Vec::new(),
        }
    }

    /// Takes in a packet at `now` that was decided by `generation`, whose
    /// conditions are `link`. The first packet of a newer generation switches the
    /// lane; one of an older generation follows its own `link`.
    ///
    /// A `link` without conditions (`LinkSettings::pass`, or a slot whose direction
    /// is not active) only keeps the packet behind all that is held.
    pub fn admit(
        &mut self,
        now: u64,
        generation: u32,
        link: &Rc<LinkSettings>,
        class: Class,
        packet: P,
    ) {
        self.timeline.arrive(now);
        self.adopt(now, generation, link);
        let segments = packet.segments();
        self.stats.received += packet.counted();
        let mut pieces = std::mem::take(&mut self.pieces);
        self.judge_of(generation, link)
            .decide(segments, &mut pieces);
        self.offer(link, class, packet, &pieces);
        pieces.clear();
        self.pieces = pieces;
    }

    /// Switches to `link` if `generation` is newer than the one in force. What is
    /// held is kept, drained or flushed as the new persona says.
    pub fn adopt(&mut self, now: u64, generation: u32, link: &Rc<LinkSettings>) {
        self.timeline.advance(now);
        let fates = match &self.current {
            Some(current) if !is_newer(generation, current.generation) => return,
            _ => Fates::new(generation, link, self.seed(generation, link)),
        };
        self.stats.seed = fates.seed;
        self.stats.generation = u64::from(generation);
        self.previous = self.current.replace(fates).map(Box::new);
        match link.in_flight {
            InFlight::Keep => {}
            InFlight::Drain => self.timeline.drain(),
            InFlight::Flush => self.timeline.flush(),
        }
        self.timeline.change_rate(link.rate);
        if link.active && self.held() == 0 {
            self.timeline.hold(self.options.entry_guard_ns);
        }
    }

    /// Makes all that is held due at `now`.
    pub fn drain(&mut self, now: u64) {
        self.timeline.advance(now);
        if self.held() > 0 {
            self.timeline.drain();
        }
    }

    /// Drops all that is held.
    pub fn flush(&mut self, now: u64) {
        self.timeline.advance(now);
        self.timeline.flush();
    }

    /// When `poll` will have something to do.
    pub fn next_due(&self) -> Option<u64> {
        self.timeline.next_due()
    }

    /// The last time at or before `limit` that something on the delay line is due.
    pub fn last_due_by(&self, limit: u64) -> Option<u64> {
        self.timeline.last_due_by(limit)
    }

    /// Hands out all that is due at or before `now`, with its due time, in order.
    pub fn poll(&mut self, now: u64, emit: impl FnMut(P, u64)) {
        self.poll_at_most(usize::MAX, now, emit);
    }

    /// [`Self::poll`] that stops after `limit` packets; `next_due` then lies behind `now`.
    pub fn poll_at_most(&mut self, limit: usize, now: u64, emit: impl FnMut(P, u64)) {
        self.timeline.advance(now);
        self.timeline.emit(limit, emit);
    }

    /// Segments in queues and delay line.
    pub fn held(&self) -> u64 {
        self.timeline.held()
    }

    /// Admitted packets of which every segment is emitted, dropped or lost. It
    /// counts calls of `admit`, not segments.
    pub fn settled(&self) -> u64 {
        self.timeline.settled()
    }

    /// The counters of `np_lane_stats`, in segments.
    pub fn stats(&self) -> LaneStats {
        let tally = self.timeline.tally();
        LaneStats {
            emitted: tally.emitted,
            lost: tally.lost,
            dropped_queue: tally.dropped_queue,
            dropped_line: tally.dropped_line,
            flushed: tally.flushed,
            held: self.held(),
            ..self.stats
        }
    }

    /// For what only the caller can count: `dropped_ring`, `dropped_emit`,
    /// `fragmented` and `answered`.
    pub fn stats_mut(&mut self) -> &mut LaneStats {
        &mut self.stats
    }

    fn seed(&self, generation: u32, link: &LinkSettings) -> u64 {
        match link.seed {
            0 => rng::mix(self.options.entropy, generation.into()).max(1),
            seed => seed,
        }
    }

    /// The fates of `generation`, which is the current one or older.
    fn judge_of(&mut self, generation: u32, link: &Rc<LinkSettings>) -> &mut Fates {
        let seed = self.seed(generation, link);
        match &mut self.current {
            Some(current) if current.generation == generation => current,
            _ => {
                let known = self
                    .previous
                    .take()
                    .filter(|fates| fates.generation == generation);
                let fresh = || Box::new(Fates::new(generation, link, seed));
                self.previous.insert(known.unwrap_or_else(fresh))
            }
        }
    }

    fn offer(&mut self, link: &Rc<LinkSettings>, class: Class, packet: P, pieces: &[Piece]) {
        let (queue, settings) = self
            .current
            .as_ref()
            .map_or(link, |fates| &fates.link)
            .queue(class);
        let mut share = Share::whole();
        if let [whole] = pieces {
            let unit = self.unit(link, settings, packet, whole, share);
            return self.timeline.offer(queue, settings.length, unit);
        }
        for piece in pieces {
            let part = packet.slice(piece.first, piece.count);
            let unit = self.unit(link, settings, part, piece, share.split());
            self.timeline.offer(queue, settings.length, unit);
        }
        self.timeline.settle(share);
    }

    fn unit(
        &mut self,
        link: &Rc<LinkSettings>,
        queue: QueueSettings,
        mut packet: P,
        piece: &Piece,
        share: Share,
    ) -> Unit<P> {
        if let Some(random) = piece.corrupt {
            packet.corrupt(random);
        }
        let counted = packet.counted();
        self.stats.corrupted += if piece.corrupt.is_some() { counted } else { 0 };
        self.stats.duplicated += if piece.copy { counted } else { 0 };
        if piece.wait == Wait::Past && !piece.lost {
            self.stats.reordered += counted;
        }
        self.arrivals += 1;
        Unit {
            packet,
            share,
            link: Rc::clone(link),
            wait: piece.wait,
            first: piece.first,
            lost: piece.lost,
            priority: queue.priority,
            order: self.arrivals,
        }
    }
}
