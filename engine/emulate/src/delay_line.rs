//! The delay line: what has passed the bottleneck and waits for its time.

use std::cmp::{Ordering, Reverse};
use std::collections::{BinaryHeap, VecDeque};

use crate::packet::Packet;
use crate::unit::Share;

/// An emptied line gives back room for more entries than this.
const KEPT_CAPACITY: usize = 256;

#[derive(Debug)]
pub struct Entry<P> {
    pub packet: P,
    pub share: Share,
    pub due: u64,
    order: u64,
}

impl<P> Entry<P> {
    fn key(&self) -> (u64, u64) {
        (self.due, self.order)
    }
}

impl<P> PartialEq for Entry<P> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<P> Eq for Entry<P> {}

impl<P> PartialOrd for Entry<P> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<P> Ord for Entry<P> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Entries leave by due time, equals in the order they came.
///
/// What comes in order, nearly everything, is queued in constant time; what
/// overtakes goes to a heap beside.
#[derive(Debug)]
pub struct DelayLine<P> {
    ordered: VecDeque<Entry<P>>,
    overtaking: BinaryHeap<Reverse<Entry<P>>>,
    segments: u64,
    pushed: u64,
}

impl<P: Packet> DelayLine<P> {
    pub fn new() -> Self {
        Self {
            ordered: VecDeque::new(),
            overtaking: BinaryHeap::new(),
            segments: 0,
            pushed: 0,
        }
    }

    pub fn segments(&self) -> u64 {
        self.segments
    }

    pub fn push(&mut self, due: u64, packet: P, share: Share) {
        self.segments += u64::from(packet.segments());
        let entry = Entry {
            packet,
            share,
            due,
            order: self.pushed,
        };
        self.pushed += 1;
        match self.ordered.back() {
            Some(last) if last.due > due => self.overtaking.push(Reverse(entry)),
            _ => self.ordered.push_back(entry),
        }
    }

    pub fn next_due(&self) -> Option<u64> {
        let ordered = self.ordered.front().map(|entry| entry.due);
        let overtaking = self.overtaking.peek().map(|Reverse(entry)| entry.due);
        ordered.into_iter().chain(overtaking).min()
    }

    /// The last due time at or before `limit` among what leaves in order.
    pub fn last_due_by(&self, limit: u64) -> Option<u64> {
        let dues = self.ordered.iter().map(|entry| entry.due);
        dues.take_while(|due| *due <= limit).last() // few: a search would touch more memory
    }

    /// Takes the first entry if it is due at or before `now`.
    pub fn pop_due(&mut self, now: u64) -> Option<Entry<P>> {
        if self.next_due()? > now {
            return None;
        }
        let entry = match (self.ordered.front(), self.overtaking.peek()) {
            (Some(ordered), Some(Reverse(other))) if other < ordered => self.pop_overtaking(),
            (None, _) => self.pop_overtaking(),
            _ => self.pop_ordered(),
        }?;
        self.segments -= u64::from(entry.packet.segments());
        Some(entry)
    }

    fn pop_ordered(&mut self) -> Option<Entry<P>> {
        let entry = self.ordered.pop_front();
        if self.ordered.is_empty() && self.ordered.capacity() > KEPT_CAPACITY {
            self.ordered = VecDeque::new();
        }
        entry
    }

    fn pop_overtaking(&mut self) -> Option<Entry<P>> {
        let entry = self.overtaking.pop().map(|Reverse(entry)| entry);
        if self.overtaking.is_empty() && self.overtaking.capacity() > KEPT_CAPACITY {
            self.overtaking = BinaryHeap::new();
        }
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::testing::Cargo;

    fn emitted(dues: &[u64]) -> Vec<(u64, u64)> {
        let mut line = DelayLine::new();
        for (id, due) in (0..).zip(dues) {
            line.push(*due, Cargo::new(id, 1, 100), Share::whole());
        }
        assert_eq!(line.segments(), dues.len() as u64);
        let taken: Vec<_> = std::iter::from_fn(|| line.pop_due(u64::MAX)).collect();
        assert_eq!(line.segments(), 0);
        taken
            .iter()
            .map(|entry| (entry.due, entry.packet.id))
            .collect()
    }

    #[test]
    fn entries_leave_by_due_time() {
        assert_eq!(emitted(&[5, 3, 9, 1]), [(1, 3), (3, 1), (5, 0), (9, 2)]);
    }

    #[test]
    fn equals_leave_in_the_order_they_came() {
        assert_eq!(emitted(&[5, 3, 3, 5]), [(3, 1), (3, 2), (5, 0), (5, 3)]);
    }

    #[test]
    fn the_last_within_a_limit_is_found() {
        let mut line = DelayLine::new();
        for (id, due) in (0..).zip([3, 5, 5, 9, 4]) {
            line.push(due, Cargo::new(id, 1, 100), Share::whole());
        }
        let found = [2, 3, 8, 20].map(|limit| line.last_due_by(limit));
        assert_eq!(found, [None, Some(3), Some(5), Some(9)]);
    }

    #[test]
    fn nothing_leaves_early() {
        let mut line = DelayLine::new();
        line.push(10, Cargo::new(0, 1, 100), Share::whole());
        assert!(line.pop_due(9).is_none());
        assert_eq!(line.next_due(), Some(10));
        assert!(line.pop_due(10).is_some());
        assert_eq!(line.next_due(), None);
    }
}
