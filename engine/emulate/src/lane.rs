//! One direction of one attachment: all that its link does to packets.
//!
//! admit → decisions → queues → token bucket → delay line → poll. Time is
//! `now`, in ns of any monotonic clock; nothing here reads one.

use std::rc::Rc;

use crate::judge::{Judge, Piece, Wait};
use crate::packet::{Class, Packet};
use crate::pipe::Pipe;
use crate::plan::{InFlight, LinkPlan, QueuePlan};
use crate::rng;
use crate::unit::{Share, Unit};
use netpersona_layout::bindings::is_newer;
use netpersona_layout::LaneStats;

#[derive(Debug, Clone, Copy, Default)]
pub struct LaneOptions {
    /// Seeds personas that name no seed; the seed in force is in the statistics.
    pub entropy: u64,
    /// The first packet of a persona with conditions leaves an idle lane no
    /// earlier than this after its arrival, ns: packets that went straight on
    /// before it may still be under way (`layout::LANE_QUIET_NS`). 0: no guard.
    pub entry_guard_ns: u64,
}

#[derive(Debug)]
pub struct Lane<P> {
    options: LaneOptions,
    current: Option<Judge>,
    /// Judges packets decided by the word before, caught by a switch.
    previous: Option<Box<Judge>>,
    pipe: Pipe<P>,
    arrivals: u64,
    stats: LaneStats,
    pieces: Vec<Piece>,
}

impl<P: Packet> Lane<P> {
    pub fn new(options: LaneOptions) -> Self {
        Self {
            options,
            current: None,
            previous: None,
            pipe: Pipe::new(),
            arrivals: 0,
            stats: LaneStats::default(),
            pieces: Vec::new(),
        }
    }

    /// Takes in a packet at `now` that was decided by `generation`, whose
    /// conditions are `link`. The first packet of a newer generation switches the
    /// lane; one of an older generation is judged by its own `link`.
    ///
    /// A `link` without conditions (`LinkPlan::pass`, or a slot whose direction
    /// is not active) only keeps the packet behind all that is held.
    pub fn admit(
        &mut self,
        now: u64,
        generation: u32,
        link: &Rc<LinkPlan>,
        class: Class,
        packet: P,
    ) {
        self.pipe.arrive(now);
        self.adopt(now, generation, link);
        let segments = packet.segments();
        self.stats.received += packet.counted();
        let mut pieces = std::mem::take(&mut self.pieces);
        self.judge_of(generation, link).judge(segments, &mut pieces);
        self.offer(link, class, packet, &pieces);
        pieces.clear();
        self.pieces = pieces;
    }

    /// Switches to `link` if `generation` is newer than the one in force. What is
    /// held is kept, drained or flushed as the new persona says.
    pub fn adopt(&mut self, now: u64, generation: u32, link: &Rc<LinkPlan>) {
        self.pipe.advance(now);
        let judge = match &self.current {
            Some(current) if !is_newer(generation, current.generation) => return,
            _ => Judge::new(generation, link, self.seed(generation, link)),
        };
        self.stats.seed = judge.seed;
        self.stats.generation = u64::from(generation);
        self.previous = self.current.replace(judge).map(Box::new);
        match link.in_flight {
            InFlight::Keep => {}
            InFlight::Drain => self.pipe.drain(),
            InFlight::Flush => self.pipe.flush(),
        }
        self.pipe.change_rate(link.rate);
        if link.active && self.held() == 0 {
            self.pipe.hold(self.options.entry_guard_ns);
        }
    }

    /// Makes all that is held due at `now`.
    pub fn drain(&mut self, now: u64) {
        self.pipe.advance(now);
        if self.held() > 0 {
            self.pipe.drain();
        }
    }

    /// Drops all that is held.
    pub fn flush(&mut self, now: u64) {
        self.pipe.advance(now);
        self.pipe.flush();
    }

    /// When `poll` will have something to do.
    pub fn next_due(&self) -> Option<u64> {
        self.pipe.next_due()
    }

    /// The last time at or before `limit` that something on the line is due.
    pub fn last_due_by(&self, limit: u64) -> Option<u64> {
        self.pipe.last_due_by(limit)
    }

    /// Hands out all that is due at or before `now`, with its due time, in order.
    pub fn poll(&mut self, now: u64, emit: impl FnMut(P, u64)) {
        self.poll_at_most(usize::MAX, now, emit);
    }

    /// [`Self::poll`] that stops after `limit` packets; `next_due` then lies behind `now`.
    pub fn poll_at_most(&mut self, limit: usize, now: u64, emit: impl FnMut(P, u64)) {
        self.pipe.advance(now);
        self.pipe.emit(limit, emit);
    }

    /// Segments in queues and delay line.
    pub fn held(&self) -> u64 {
        self.pipe.held()
    }

    /// Admitted packets of which every segment is emitted, dropped or lost. It
    /// counts calls of `admit`, not segments.
    pub fn settled(&self) -> u64 {
        self.pipe.settled()
    }

    /// The counters of `np_lane_stats`, in segments.
    pub fn stats(&self) -> LaneStats {
        let tally = self.pipe.tally();
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

    fn seed(&self, generation: u32, link: &LinkPlan) -> u64 {
        match link.seed {
            0 => rng::mix(self.options.entropy, generation.into()).max(1),
            seed => seed,
        }
    }

    /// The judge of `generation`, which is the current one or older.
    fn judge_of(&mut self, generation: u32, link: &Rc<LinkPlan>) -> &mut Judge {
        let seed = self.seed(generation, link);
        match &mut self.current {
            Some(current) if current.generation == generation => current,
            _ => {
                let known = self
                    .previous
                    .take()
                    .filter(|judge| judge.generation == generation);
                let fresh = || Box::new(Judge::new(generation, link, seed));
                self.previous.insert(known.unwrap_or_else(fresh))
            }
        }
    }

    fn offer(&mut self, link: &Rc<LinkPlan>, class: Class, packet: P, pieces: &[Piece]) {
        let (queue, plan) = self
            .current
            .as_ref()
            .map_or(link, |judge| &judge.link)
            .queue(class);
        let mut share = Share::whole();
        if let [whole] = pieces {
            let unit = self.unit(link, plan, packet, whole, share);
            return self.pipe.offer(queue, plan.length, unit);
        }
        for piece in pieces {
            let part = packet.slice(piece.first, piece.count);
            let unit = self.unit(link, plan, part, piece, share.split());
            self.pipe.offer(queue, plan.length, unit);
        }
        self.pipe.settle(share);
    }

    fn unit(
        &mut self,
        link: &Rc<LinkPlan>,
        queue: QueuePlan,
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
