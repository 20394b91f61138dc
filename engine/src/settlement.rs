//! Which of a lane's packets came, which the TAP's ring dropped, and how many are settled.
//!
//! Kernel programs number a lane's packets from one; `np_lane.settled` answers with how many
//! of them are not in the engine any more. A gap in the numbers is packets that the ring
//! dropped. Programs on two CPUs may put their packets into the ring in another order than
//! they numbered them, so a packet that was given up for lost may still come.

use std::cell::Cell;
use std::rc::Rc;

#[derive(Debug)]
pub struct Settlement {
    /// Number of the next packet, when none is lost.
    next: u64,
    /// Settled before this settlement was opened.
    base: u64,
    lost: u64,
    /// Packets that came and whose buffers are gone.
    left: Rc<Cell<u64>>,
}

impl Settlement {
    /// A settlement for a lane of which `settled` packets are settled.
    pub fn new(settled: u64) -> Self {
        Self {
            next: settled + 1,
            base: settled,
            lost: 0,
            left: Rc::default(),
        }
    }

    /// Notes the packet with this number (its low 32 bits); `sent` is the kernel's count, read
    /// after the packet came. Returns by how much the packets lost change.
    pub fn arrive(&mut self, number: u32, sent: u64) -> i64 {
        let behind = (sent as u32).wrapping_sub(number);
        let number = sent.saturating_sub(behind.into());
        if sent + 1 < self.next {
            // The kernel counts anew: the attachment belongs to another interface now.
            *self = Self::new(number.saturating_sub(1));
        }
        if number < self.next {
            return self.arrive_late();
        }
        let gap = number - self.next;
        self.next = number + 1;
        self.lost += gap;
        gap as i64
    }

    fn arrive_late(&mut self) -> i64 {
        if self.lost > 0 {
            self.lost -= 1;
            return -1;
        }
        // Sent before this settlement was opened, and read after.
        self.base = self.base.saturating_sub(1);
        0
    }

    /// Gives up what was sent up to `sent` and did not come; returns how many packets.
    /// To be called with a count from before the TAP was last found empty.
    pub fn give_up(&mut self, sent: u64) -> u64 {
        let missing = (sent + 1).saturating_sub(self.next);
        self.next += missing;
        self.lost += missing;
        missing
    }

    /// Counts one packet settled whenever it is incremented: see `Buffer::count_on_drop`.
    pub fn counter(&self) -> Rc<Cell<u64>> {
        Rc::clone(&self.left)
    }

    pub fn settled(&self) -> u64 {
        self.base + self.lost + self.left.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leave(settlement: &Settlement, packets: u64) {
        let counter = settlement.counter();
        counter.set(counter.get() + packets);
    }

    #[test]
    fn a_packet_is_settled_when_it_left() {
        let mut settlement = Settlement::new(10);
        assert_eq!(settlement.arrive(11, 11), 0);
        assert_eq!(settlement.settled(), 10);
        leave(&settlement, 1);
        assert_eq!(settlement.settled(), 11);
    }

    #[test]
    fn a_gap_is_packets_the_ring_dropped() {
        let mut settlement = Settlement::new(0);
        assert_eq!(settlement.arrive(4, 6), 3);
        leave(&settlement, 1);
        assert_eq!(settlement.settled(), 4);
    }

    #[test]
    fn numbers_wrap_at_32_bits() {
        let before = (1 << 32) - 1;
        let mut settlement = Settlement::new(before - 1);
        assert_eq!(settlement.arrive(u32::MAX, before + 2), 0);
        assert_eq!(settlement.arrive(0, before + 2), 0);
        assert_eq!(settlement.arrive(1, before + 2), 0);
        leave(&settlement, 3);
        assert_eq!(settlement.settled(), before + 2);
    }

    #[test]
    fn a_packet_that_was_overtaken_is_not_lost() {
        let mut settlement = Settlement::new(0);
        assert_eq!(settlement.arrive(2, 2), 1);
        assert_eq!(settlement.arrive(1, 2), -1);
        leave(&settlement, 2);
        assert_eq!(settlement.settled(), 2);
    }

    #[test]
    fn packets_lost_at_the_end_are_given_up() {
        let mut settlement = Settlement::new(0);
        settlement.arrive(1, 1);
        leave(&settlement, 1);
        assert_eq!(settlement.give_up(3), 2);
        assert_eq!(settlement.give_up(3), 0);
        assert_eq!(settlement.settled(), 3);
        assert_eq!(settlement.arrive(3, 3), -1);
    }

    #[test]
    fn a_packet_sent_before_the_start_is_in_the_engine_again() {
        let mut settlement = Settlement::new(5);
        assert_eq!(settlement.arrive(5, 5), 0);
        assert_eq!(settlement.settled(), 4);
        leave(&settlement, 1);
        assert_eq!(settlement.settled(), 5);
    }

    #[test]
    fn a_lane_that_counts_anew_is_followed() {
        let mut settlement = Settlement::new(1_000);
        let old = settlement.counter();
        settlement.arrive(1_001, 1_001);
        assert_eq!(settlement.arrive(1, 1), 0);
        old.set(1); // the packet of the old count leaves
        assert_eq!(settlement.settled(), 0);
        leave(&settlement, 1);
        assert_eq!(settlement.settled(), 1);
    }
}
