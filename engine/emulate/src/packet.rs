//! What the conditions need to know about a packet.

/// A packet of one or more MTU-sized segments.
///
/// A GSO packet travels as one unit until a decision touches one of its
/// segments; `slice` then cuts it.
pub trait Packet: Sized {
    /// Segments that this packet becomes on a wire, at least 1.
    fn segments(&self) -> u32;

    /// Bytes of Ethernet frame (no FCS) that `count` segments from `first` take
    /// on a wire; every segment repeats the headers.
    fn wire_bytes(&self, first: u32, count: u32) -> u64;

    /// The packet of `count` segments from `first`. Cheap: shares the buffer.
    #[must_use]
    fn slice(&self, first: u32, count: u32) -> Self;

    /// As how many segments the statistics count it: 0 for what is nobody's traffic.
    fn counted(&self) -> u64 {
        self.segments().into()
    }

    /// Flips one bit chosen by `random`. Called only on packets of one segment;
    /// a shared buffer must be copied first.
    fn corrupt(&mut self, random: u64);
}

/// Where a packet waits for the bottleneck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// Queue id, or `layout::QUEUE_DEFAULT`.
    pub queue: u8,
    /// 0 to 7, 7 served first; counts in the default queue, a configured queue
    /// has its own priority.
    pub priority: u8,
}

#[cfg(test)]
pub(crate) mod testing {
    use super::Packet;

    /// A packet of equal segments that knows where it came from.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Cargo {
        pub id: u64,
        pub first: u32,
        pub count: u32,
        pub segment_bytes: u64,
        pub corrupted: bool,
    }

    impl Cargo {
        pub fn new(id: u64, count: u32, segment_bytes: u64) -> Self {
            Self {
                id,
                first: 0,
                count,
                segment_bytes,
                corrupted: false,
            }
        }
    }

    impl Packet for Cargo {
        fn segments(&self) -> u32 {
            self.count
        }

        fn wire_bytes(&self, first: u32, count: u32) -> u64 {
            assert!(first + count <= self.count);
            u64::from(count) * self.segment_bytes
        }

        fn slice(&self, first: u32, count: u32) -> Self {
            assert!(count >= 1 && first + count <= self.count);
            Self {
                first: self.first + first,
                count,
                ..self.clone()
            }
        }

        fn corrupt(&mut self, _random: u64) {
            assert_eq!(self.count, 1);
            self.corrupted = true;
        }
    }
}
