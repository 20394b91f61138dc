//! What travels through a lane: a packet or some of its segments.

use std::rc::Rc;

use crate::fates::Wait;
use crate::packet::Packet;
use crate::settings::LinkSettings;

/// Share in an admitted packet, which is settled when its last share is.
#[derive(Debug, Default)]
pub struct Share(Option<Rc<()>>);

impl Share {
    /// The only share of a packet; costs nothing until it is split.
    pub fn whole() -> Self {
        Self(None)
    }

    /// Another share of the same packet.
    pub fn split(&mut self) -> Self {
        Self(Some(Rc::clone(self.0.get_or_insert_default())))
    }

    /// Gives the share up: how many packets are settled by it, 0 or 1.
    pub fn settle(self) -> u64 {
        match self.0 {
            Some(shared) => u64::from(Rc::into_inner(shared).is_some()),
            None => 1,
        }
    }
}

/// Segments of one packet with one fate, waiting for the bottleneck.
#[derive(Debug)]
pub struct Unit<P> {
    pub packet: P,
    pub share: Share,
    /// The persona that decided.
    pub link: Rc<LinkSettings>,
    pub wait: Wait,
    /// Index of the first segment within the packet.
    pub first: u32,
    pub lost: bool,
    pub priority: u8,
    /// Arrival number within the lane.
    pub order: u64,
}

impl<P: Packet> Unit<P> {
    pub fn segments(&self) -> u32 {
        self.packet.segments()
    }

    /// Bytes of wire.
    pub fn bytes(&self) -> u64 {
        self.packet.wire_bytes(0, self.segments())
    }

    /// Cuts off the first `count` segments, fewer than there are.
    pub fn split_off_front(&mut self, count: u32) -> Self {
        let rest = self.packet.slice(count, self.segments() - count);
        let front = self.packet.slice(0, count);
        self.packet = rest;
        let front = Self {
            packet: front,
            share: self.share.split(),
            link: Rc::clone(&self.link),
            ..*self
        };
        self.first += count;
        front
    }

    /// How many segments from the first fit `limit` bytes (at least one), and
    /// their bytes.
    pub fn fitting(&self, limit: u64) -> (u32, u64) {
        let segments = self.segments();
        let bytes = self.bytes();
        if bytes <= limit || segments == 1 {
            return (segments, bytes);
        }
        let fit = limit / self.packet.wire_bytes(0, 1).max(1);
        let count = fit.clamp(1, u64::from(segments) - 1) as u32;
        (count, self.packet.wire_bytes(0, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::testing::Cargo;

    fn unit(segments: u32) -> Unit<Cargo> {
        Unit {
            packet: Cargo::new(1, segments, 1500),
            share: Share::whole(),
            link: Rc::new(LinkSettings::pass()),
            wait: Wait::Past,
            first: 0,
            lost: false,
            priority: 0,
            order: 0,
        }
    }

    #[test]
    fn the_last_share_settles_the_packet() {
        let mut rest = unit(3);
        let front = rest.split_off_front(1);
        let middle = rest.split_off_front(1);
        assert_eq!((front.first, middle.first, rest.first), (0, 1, 2));
        assert_eq!(middle.share.settle(), 0);
        assert_eq!(rest.share.settle(), 0);
        assert_eq!(front.share.settle(), 1);
        assert_eq!(Share::whole().settle(), 1);
    }

    #[test]
    fn at_least_one_segment_fits() {
        assert_eq!(unit(45).fitting(0), (1, 1500));
        assert_eq!(unit(45).fitting(4600), (3, 4500));
        assert_eq!(unit(45).fitting(u64::MAX), (45, 45 * 1500));
    }
}
