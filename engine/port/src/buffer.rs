//! Packet buffers by size class, used again when the last reference goes.
//!
//! A small packet must not hold the 64 KiB that a superpacket needs, and the size
//! is not known before the read: [`Intake`] reads into a small and a large buffer
//! at once and keeps the one that fits.

use std::cell::{Cell, RefCell};
use std::io::IoSliceMut;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

/// Capacities in bytes. The last holds the largest superpacket with its headers.
const CLASSES: [usize; 3] = [2 << 10, 16 << 10, 68 << 10];
const SMALL: usize = CLASSES[0];
const LARGE: usize = CLASSES[2];
/// Bytes of unused buffers that a pool keeps before it gives memory back.
const KEPT_BYTES: u64 = 32 << 20;

#[derive(Debug, Default)]
struct Shared {
    free: RefCell<[Vec<Box<[u8]>>; CLASSES.len()]>,
    free_bytes: Cell<u64>,
    used_bytes: Cell<u64>,
}

/// Where buffers come from and go back to. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Pool(Rc<Shared>);

impl Pool {
    /// Capacity of all buffers in use, in bytes.
    pub fn used_bytes(&self) -> u64 {
        self.0.used_bytes.get()
    }

    /// A buffer of `length` bytes of unspecified content.
    ///
    /// # Panics
    /// When `length` is beyond the largest class, 68 KiB.
    pub fn take(&self, length: usize) -> Buffer {
        let class = CLASSES
            .iter()
            .position(|&capacity| length <= capacity)
            .expect("length within 68 KiB");
        let bytes = match self.0.free.borrow_mut()[class].pop() {
            Some(bytes) => {
                self.0
                    .free_bytes
                    .set(self.0.free_bytes.get() - CLASSES[class] as u64);
                bytes
            }
            None => vec![0; CLASSES[class]].into_boxed_slice(),
        };
        self.0
            .used_bytes
            .set(self.used_bytes() + CLASSES[class] as u64);
        Buffer {
            bytes,
            length,
            pool: self.clone(),
            counter: None,
        }
    }

    fn give(&self, bytes: Box<[u8]>) {
        let capacity = bytes.len() as u64;
        self.0.used_bytes.set(self.used_bytes() - capacity);
        if self.0.free_bytes.get() + capacity > KEPT_BYTES {
            return;
        }
        let class = CLASSES.iter().position(|&class| class == bytes.len());
        if let Some(class) = class {
            self.0.free_bytes.set(self.0.free_bytes.get() + capacity);
            self.0.free.borrow_mut()[class].push(bytes);
        }
    }
}

/// Bytes that return to their pool on drop, and then count one packet as settled.
#[derive(Debug)]
pub struct Buffer {
    bytes: Box<[u8]>,
    length: usize,
    pool: Pool,
    counter: Option<Rc<Cell<u64>>>,
}

impl Buffer {
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Adds one to `counter` when this buffer is dropped: all that came out of the
    /// packet in it was then written or discarded.
    pub fn count_on_drop(&mut self, counter: Rc<Cell<u64>>) {
        self.counter = Some(counter);
    }
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[..self.length]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.pool.give(std::mem::take(&mut self.bytes));
        if let Some(counter) = &self.counter {
            counter.set(counter.get() + 1);
        }
    }
}

/// The buffers that the next packet is read into.
#[derive(Debug)]
pub struct Intake {
    pool: Pool,
    small: Buffer,
    large: Buffer,
}

impl Intake {
    pub fn new(pool: &Pool) -> Self {
        Self {
            pool: pool.clone(),
            small: pool.take(SMALL),
            large: pool.take(LARGE),
        }
    }

    /// Reads one packet. The large buffer leaves room for what went to the small
    /// one, so that a superpacket costs a copy of 2 KiB rather than of 64.
    pub fn read<E>(
        &mut self,
        read: impl FnOnce(&mut [IoSliceMut<'_>]) -> Result<usize, E>,
    ) -> Result<Buffer, E> {
        let mut parts = [
            IoSliceMut::new(&mut self.small),
            IoSliceMut::new(&mut self.large[SMALL..]),
        ];
        let length = read(&mut parts)?.min(LARGE);
        Ok(self.keep(length))
    }

    fn keep(&mut self, length: usize) -> Buffer {
        if length <= SMALL {
            let next = self.pool.take(SMALL);
            return trimmed(std::mem::replace(&mut self.small, next), length);
        }
        self.large[..SMALL].copy_from_slice(&self.small);
        if length <= CLASSES[1] {
            let mut fitting = self.pool.take(length);
            fitting.copy_from_slice(&self.large[..length]);
            return fitting;
        }
        let next = self.pool.take(LARGE);
        trimmed(std::mem::replace(&mut self.large, next), length)
    }
}

fn trimmed(mut buffer: Buffer, length: usize) -> Buffer {
    buffer.length = length;
    buffer
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn scatter(data: &[u8], parts: &mut [IoSliceMut<'_>]) -> Result<usize, Infallible> {
        let mut left = data;
        for part in parts {
            let (now, later) = left.split_at(left.len().min(part.len()));
            part[..now.len()].copy_from_slice(now);
            left = later;
        }
        Ok(data.len() - left.len())
    }

    #[test]
    fn packets_of_every_size_are_read_whole() {
        let pool = Pool::default();
        let mut intake = Intake::new(&pool);
        for length in [0, 1, 60, 2047, 2048, 2049, 16384, 16385, 65600, 69632] {
            let data: Vec<u8> = (0..length).map(|i| (i * 7 + length) as u8).collect();
            let buffer = intake.read(|parts| scatter(&data, parts)).unwrap();
            assert_eq!(*buffer, data[..], "{length} bytes");
        }
    }

    #[test]
    fn a_small_packet_holds_two_kib_and_a_middling_one_sixteen() {
        let pool = Pool::default();
        let mut intake = Intake::new(&pool);
        let before = pool.used_bytes();
        let small = intake.read(|parts| scatter(&[1; 1514], parts)).unwrap();
        assert_eq!(pool.used_bytes() - before, 2 << 10);
        let middling = intake.read(|parts| scatter(&[1; 9000], parts)).unwrap();
        assert_eq!(pool.used_bytes() - before, 18 << 10);
        drop((small, middling));
        assert_eq!(pool.used_bytes(), before);
    }

    #[test]
    fn a_dropped_buffer_is_used_again() {
        let pool = Pool::default();
        let first = pool.take(100);
        let address = first.as_ptr();
        drop(first);
        assert_eq!(pool.take(200).as_ptr(), address);
    }

    #[test]
    fn unused_buffers_beyond_the_bound_are_freed() {
        let pool = Pool::default();
        let many: Vec<Buffer> = (0..1000).map(|_| pool.take(LARGE)).collect();
        drop(many);
        assert_eq!(pool.used_bytes(), 0);
        assert!(pool.0.free_bytes.get() <= KEPT_BYTES);
    }

    #[test]
    fn a_packet_is_counted_once_its_buffer_goes() {
        let counter = Rc::new(Cell::new(0));
        let mut buffer = Pool::default().take(10);
        buffer.count_on_drop(Rc::clone(&counter));
        assert_eq!(counter.get(), 0);
        drop(buffer);
        assert_eq!(counter.get(), 1);
    }
}
