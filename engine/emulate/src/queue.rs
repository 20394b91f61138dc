//! Queues in front of the bottleneck, served by strict priority.

use std::collections::VecDeque;

use crate::packet::Packet;
use crate::unit::Unit;
use netpersona_layout::MAX_QUEUES;

/// An emptied queue gives back room for more units than this.
const KEPT_CAPACITY: usize = 256;

/// The queues of a lane by id, the default one last.
///
/// The highest priority is served first, equals in arrival order; within a
/// queue first in, first out.
#[derive(Debug)]
pub struct Queues<P> {
    queues: [VecDeque<Unit<P>>; MAX_QUEUES + 1],
    waiting: [u64; MAX_QUEUES + 1],
    bytes: [u64; MAX_QUEUES + 1],
    units: usize,
}

impl<P: Packet> Queues<P> {
    pub fn new() -> Self {
        Self {
            queues: std::array::from_fn(|_| VecDeque::new()),
            waiting: [0; MAX_QUEUES + 1],
            bytes: [0; MAX_QUEUES + 1],
            units: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.units == 0
    }

    /// Segments waiting in all queues.
    pub fn segments(&self) -> u64 {
        self.waiting.iter().sum()
    }

    /// Bytes of wire that wait in a queue.
    pub fn bytes(&self, queue: usize) -> u64 {
        self.bytes[queue]
    }

    pub fn push(&mut self, queue: usize, unit: Unit<P>) {
        self.waiting[queue] += u64::from(unit.segments());
        self.bytes[queue] += unit.bytes();
        self.units += 1;
        self.queues[queue].push_back(unit);
    }

    /// The queue to serve next, and its first unit.
    pub fn head(&self) -> Option<(usize, &Unit<P>)> {
        if self.is_empty() {
            return None;
        }
        let heads = self.queues.iter().enumerate();
        let heads = heads.filter_map(|(queue, units)| Some((queue, units.front()?)));
        heads.min_by_key(|(_, unit)| (u8::MAX - unit.priority, unit.order))
    }

    /// Takes the first `count` segments, or fewer if its first unit has fewer, from `queue`.
    pub fn take(&mut self, queue: usize, count: u32) -> Option<Unit<P>> {
        let front = self.queues[queue].front_mut()?;
        let unit = if front.segments() > count {
            front.split_off_front(count)
        } else {
            self.pop_front(queue)?
        };
        self.waiting[queue] -= u64::from(unit.segments());
        self.bytes[queue] -= unit.bytes();
        Some(unit)
    }

    fn pop_front(&mut self, queue: usize) -> Option<Unit<P>> {
        let units = &mut self.queues[queue];
        let unit = units.pop_front();
        self.units -= usize::from(unit.is_some());
        if units.is_empty() && units.capacity() > KEPT_CAPACITY {
            *units = VecDeque::new();
        }
        unit
    }

    /// The next unit in the order of service.
    pub fn pop(&mut self) -> Option<Unit<P>> {
        let queue = self.head()?.0;
        self.take(queue, u32::MAX)
    }

    /// Cuts what exceeds `length` segments off the end of unit `order`, if
    /// that is last in `queue`: what arrived last is what does not fit.
    pub fn trim(&mut self, queue: usize, order: u64, length: u32) -> Option<Unit<P>> {
        let excess = self.waiting[queue].saturating_sub(length.into());
        let units = &mut self.queues[queue];
        if excess == 0 || units.back()?.order != order {
            return None;
        }
        let mut last = units.pop_back()?;
        let segments = last.segments();
        let excess = u32::try_from(excess).map_or(segments, |excess| excess.min(segments));
        if excess == segments {
            self.units -= 1;
        } else {
            units.push_back(last.split_off_front(segments - excess));
        }
        self.waiting[queue] -= u64::from(excess);
        self.bytes[queue] -= last.bytes();
        Some(last)
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::fates::Wait;
    use crate::packet::testing::Cargo;
    use crate::settings::LinkSettings;
    use crate::unit::Share;

    fn unit(order: u64, segments: u32, priority: u8) -> Unit<Cargo> {
        Unit {
            packet: Cargo::new(order, segments, 1500),
            share: Share::whole(),
            link: Rc::new(LinkSettings::pass()),
            wait: Wait::InOrder(0),
            first: 0,
            lost: false,
            priority,
            order,
        }
    }

    #[test]
    fn priority_first_then_arrival() {
        let mut queues = Queues::new();
        for (order, queue, priority) in [(0, 16, 0), (1, 3, 5), (2, 4, 7), (3, 2, 5), (4, 3, 5)] {
            queues.push(queue, unit(order, 1, priority));
        }
        let served: Vec<u64> = std::iter::from_fn(|| queues.pop())
            .map(|u| u.order)
            .collect();
        assert_eq!(served, [2, 1, 3, 4, 0]);
        assert!(queues.is_empty());
    }

    #[test]
    fn a_long_unit_is_served_in_parts() {
        let mut queues = Queues::new();
        queues.push(16, unit(0, 45, 0));
        let part = queues.take(16, 40).unwrap();
        assert_eq!((part.first, part.segments()), (0, 40));
        assert_eq!((queues.segments(), queues.bytes(16)), (5, 7500));
        let rest = queues.take(16, 40).unwrap();
        assert_eq!((rest.first, rest.segments()), (40, 5));
        assert!(queues.is_empty());
        assert_eq!(queues.bytes(16), 0);
    }

    #[test]
    fn a_full_queue_drops_the_end_of_what_arrived() {
        let mut queues = Queues::new();
        queues.push(16, unit(0, 8, 0));
        queues.push(16, unit(1, 8, 0));
        let dropped = queues.trim(16, 1, 10).unwrap();
        assert_eq!(
            (dropped.order, dropped.first, dropped.segments()),
            (1, 2, 6)
        );
        assert_eq!((queues.segments(), queues.bytes(16)), (10, 15_000));
    }

    #[test]
    fn what_waits_is_not_dropped_for_a_shorter_queue() {
        let mut queues = Queues::new();
        queues.push(16, unit(0, 8, 0));
        queues.push(16, unit(1, 8, 0));
        let dropped = queues.trim(16, 1, 2).unwrap();
        assert_eq!((dropped.order, dropped.segments()), (1, 8));
        assert!(queues.trim(16, 1, 2).is_none());
        assert_eq!(queues.segments(), 8);
    }
}
