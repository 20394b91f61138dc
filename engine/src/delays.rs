//! How long the packets of a lane were held.

use bytemuck::Zeroable;
use netpersona_emulate::packet::Packet;
use netpersona_layout::{times, LaneDelays};

use crate::frame::Frame;

/// The counts of `np_lane_delays`, and whether they were published. No room is taken before a packet left.
#[derive(Debug, Default)]
pub struct Delays {
    counts: Option<Box<LaneDelays>>,
    is_news: bool,
}

impl Delays {
    /// A frame left at `left`. Probes are nobody's traffic.
    pub fn record(&mut self, frame: &Frame, left: u64) {
        let packets = frame.counted();
        if packets == 0 {
            return;
        }
        let counts = self
            .counts
            .get_or_insert_with(|| Box::new(Zeroable::zeroed()));
        let held_ns = left.saturating_sub(frame.arrived());
        counts.packets += packets;
        counts.bytes += frame.wire_bytes(0, frame.segments());
        counts.held_ns += held_ns * packets;
        let bucket = &mut counts.histogram[times::bucket(held_ns / 1000)];
        *bucket = bucket.wrapping_add(packets as u32);
        self.is_news = true;
    }

    /// What is to be published since this was asked last.
    pub fn news(&mut self) -> Option<&LaneDelays> {
        std::mem::take(&mut self.is_news)
            .then_some(self.counts.as_deref())
            .flatten()
    }
}
