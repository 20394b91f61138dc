//! The timeline of a lane: what waits for the bottleneck, what waits on the
//! delay line, and when each leaves.

use std::rc::Rc;

use crate::bucket::{Bucket, Rate};
use crate::delay::{segment_uniform, DelayModel, InOrder};
use crate::delay_line::{DelayLine, Entry};
use crate::fates::Wait;
use crate::packet::Packet;
use crate::queue::Queues;
use crate::settings::LinkSettings;
use crate::unit::{Share, Unit};

/// Where segments went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub emitted: u64,
    pub lost: u64,
    pub dropped_queue: u64,
    pub dropped_line: u64,
    pub flushed: u64,
}

#[derive(Debug)]
pub struct Timeline<P> {
    /// Empty whenever there is no bucket.
    queues: Queues<P>,
    /// Least time, ns, that any of them stays on the delay line: before that nobody has to be woken.
    least_wait: u64,
    bucket: Option<Bucket>,
    /// The delay process, and the persona that it belongs to.
    process: Option<(Rc<LinkSettings>, InOrder)>,
    delay_line: DelayLine<P>,
    /// Latest due time given: nothing that keeps order leaves before it.
    last_due: u64,
    now: u64,
    /// Of the packet that came last. Behind `now` when it came while others were emitted.
    arrived: u64,
    settled: u64,
    tally: Tally,
}

/// What leaves the queues next.
struct Head {
    queue: usize,
    segments: u32,
    bytes: u64,
}

impl<P: Packet> Timeline<P> {
    pub fn new() -> Self {
        Self {
            queues: Queues::new(),
            least_wait: 0,
            bucket: None,
            process: None,
            delay_line: DelayLine::new(),
            last_due: 0,
            now: 0,
            arrived: 0,
            settled: 0,
            tally: Tally::default(),
        }
    }

    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// Segments in queues and delay line.
    pub fn held(&self) -> u64 {
        self.queues.segments() + self.delay_line.segments()
    }

    /// When something leaves at the earliest.
    pub fn next_due(&self) -> Option<u64> {
        let served = self.next_service();
        let service = served.map(|at| at.saturating_add(self.least_wait));
        service.into_iter().chain(self.delay_line.next_due()).min()
    }

    /// The last time at or before `limit` that something on the delay line is due.
    pub fn last_due_by(&self, limit: u64) -> Option<u64> {
        self.delay_line.last_due_by(limit)
    }

    /// Serves the queues up to `now`, each unit at the time that it is due. A
    /// `now` before an earlier one counts as that one.
    pub fn advance(&mut self, now: u64) {
        self.now = self.now.max(now);
        self.serve();
        let waiting = !self.queues.is_empty();
        if let Some(bucket) = &mut self.bucket {
            bucket.advance(self.now, waiting);
        }
    }

    /// A packet arrived at `at`; one that seems to come before its predecessor came with it.
    pub fn arrive(&mut self, at: u64) {
        self.arrived = self.arrived.max(at);
        self.advance(at);
    }

    /// Puts a unit of the packet that arrived last in `queue`, which holds `length` segments; what exceeds it
    /// after all that can leave at once has left is dropped.
    pub fn offer(&mut self, queue: usize, length: u32, unit: Unit<P>) {
        if self.bucket.is_none() {
            return self.enter(self.arrived, unit);
        }
        let order = unit.order;
        let wait = unit.link.least_wait();
        self.least_wait = if self.queues.is_empty() {
            wait
        } else {
            wait.min(self.least_wait)
        };
        self.queues.push(queue, unit);
        self.serve();
        if let Some(excess) = self.queues.trim(queue, order, length) {
            self.tally.dropped_queue += excess.packet.counted();
            self.settle(excess.share);
        }
    }

    /// What waits for the bottleneck is served at `rate` from now on.
    pub fn change_rate(&mut self, rate: Option<Rate>) {
        match (&mut self.bucket, rate) {
            (Some(bucket), Some(rate)) => bucket.change(rate),
            (_, rate) => self.bucket = rate.map(|rate| Bucket::new(rate, self.now)),
        }
        self.serve();
    }

    /// Makes everything held due now.
    pub fn drain(&mut self) {
        let mut emptied = std::mem::replace(&mut self.delay_line, DelayLine::new());
        while let Some(Entry { packet, share, .. }) = emptied.pop_due(u64::MAX) {
            self.delay_line.push(self.now, packet, share);
        }
        while let Some(unit) = self.queues.pop() {
            if unit.lost {
                self.lose(unit);
            } else {
                self.delay_line.push(self.now, unit.packet, unit.share);
            }
        }
        self.last_due = self.now;
    }

    /// Drops everything held.
    pub fn flush(&mut self) {
        while let Some(unit) = self.queues.pop() {
            self.tally.flushed += unit.packet.counted();
            self.settle(unit.share);
        }
        while let Some(entry) = self.delay_line.pop_due(u64::MAX) {
            self.tally.flushed += entry.packet.counted();
            self.settle(entry.share);
        }
        self.last_due = self.now;
    }

    /// Nothing that keeps order leaves within the next `guard_ns`.
    pub fn hold(&mut self, guard_ns: u64) {
        self.last_due = self.last_due.max(self.now.saturating_add(guard_ns));
    }

    /// Hands out what is due, with its due time: at most `limit` packets.
    pub fn emit(&mut self, limit: usize, mut emit: impl FnMut(P, u64)) {
        for _ in 0..limit {
            let Some(Entry {
                packet, share, due, ..
            }) = self.delay_line.pop_due(self.now)
            else {
                return;
            };
            self.tally.emitted += packet.counted();
            self.settle(share);
            emit(packet, due);
        }
    }

    pub fn settle(&mut self, share: Share) {
        self.settled += share.settle();
    }

    fn head(&self) -> Option<Head> {
        let (queue, unit) = self.queues.head()?;
        let limit = self.bucket.as_ref().map_or(u64::MAX, Bucket::portion);
        let (segments, bytes) = unit.fitting(limit);
        Some(Head {
            queue,
            segments,
            bytes,
        })
    }

    /// When the queues are served next: once there are tokens for all that waits beside the head,
    /// or for a grain of it.
    fn next_service(&self) -> Option<u64> {
        let head = self.head()?;
        let Some(bucket) = &self.bucket else {
            return Some(self.now);
        };
        let together = self.queues.bytes(head.queue).min(bucket.grain());
        Some(bucket.ready_at(together.max(head.bytes)))
    }

    fn serve(&mut self) {
        while let Some(at) = self.next_service().filter(|at| *at <= self.now) {
            self.serve_together(at);
        }
    }

    /// All that there are tokens for at `at` leaves at once.
    fn serve_together(&mut self, at: u64) {
        if let Some(bucket) = &mut self.bucket {
            bucket.advance(at, true);
        }
        while let Some(head) = self.head() {
            match &mut self.bucket {
                Some(bucket) if bucket.held() < head.bytes => return,
                Some(bucket) => bucket.take(head.bytes),
                None => {}
            }
            if let Some(unit) = self.queues.take(head.queue, head.segments) {
                self.enter(at, unit);
            }
        }
    }

    /// A unit leaves the bottleneck at `at`: it is lost, dropped or on the delay line.
    fn enter(&mut self, at: u64, mut unit: Unit<P>) {
        if unit.lost {
            return self.lose(unit);
        }
        let due = self.due(at, &unit);
        let room = unit
            .link
            .delay_limit
            .saturating_sub(self.delay_line.segments());
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        if room < unit.segments() {
            let fitting = (room > 0).then(|| unit.split_off_front(room));
            self.tally.dropped_line += unit.packet.counted();
            self.settle(unit.share);
            match fitting {
                Some(front) => unit = front,
                None => return,
            }
        }
        self.last_due = self.last_due.max(due);
        self.delay_line.push(due, unit.packet, unit.share);
    }

    fn lose(&mut self, unit: Unit<P>) {
        self.tally.lost += unit.packet.counted();
        self.settle(unit.share);
    }

    fn due(&mut self, at: u64, unit: &Unit<P>) -> u64 {
        match unit.wait {
            Wait::Past => at,
            Wait::Free(delay) => at.saturating_add(delay),
            Wait::InOrder(draw) => {
                let delay = self.delay(at, &unit.link, segment_uniform(draw, unit.first));
                at.saturating_add(delay).max(self.last_due)
            }
        }
    }

    /// Delay of what enters the delay line at `at` with order kept. After a switch the
    /// process starts anew: a long delay of the persona before must not linger.
    fn delay(&mut self, at: u64, link: &Rc<LinkSettings>, u: f64) -> u64 {
        if let DelayModel::Constant(delay) = link.delay {
            return delay;
        }
        let (_, process) = match self.process.take() {
            Some(known) if Rc::ptr_eq(&known.0, link) => self.process.insert(known),
            _ => self.process.insert((Rc::clone(link), InOrder::default())),
        };
        process.next(&link.delay, at, u)
    }
}
