//! The switch: one 64-bit store decides which persona an attachment wears.

use std::io;
use std::mem::offset_of;
use std::path::Path;
use std::sync::atomic::{fence, Ordering};

use crate::shm::Shared;
use crate::{Binding, Lease};

/// A binding word apart: `generation << 32 | slot`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Word {
    pub generation: u32,
    pub slot: u32,
}

impl Word {
    #[must_use]
    pub fn pack(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.slot)
    }

    #[must_use]
    pub fn unpack(word: u64) -> Self {
        Self {
            generation: (word >> 32) as u32,
            slot: word as u32,
        }
    }
}

/// The binding table. There is one writer: the agent of this host.
#[derive(Debug)]
pub struct Bindings {
    table: Shared<Binding>,
}

impl Bindings {
    #[must_use]
    pub fn new(table: Shared<Binding>) -> Self {
        Self { table }
    }

    /// Open the table pinned at `path`.
    ///
    /// # Errors
    /// What [`Shared::open`] says.
    pub fn open(path: &Path) -> io::Result<Self> {
        Shared::open(path, crate::MAX_ATTACHMENTS).map(Self::new)
    }

    /// Put `attachment` under `slot`, for the next packet on. With `expires_ns` (`CLOCK_MONOTONIC`,
    /// 0: never) kernel programs and engine turn to `fallback_slot` by themselves at that time.
    /// Answers the new generation.
    ///
    /// # Panics
    /// If `attachment` is out of range.
    pub fn switch(&self, attachment: usize, slot: u32, expires_ns: u64, fallback_slot: u32) -> u32 {
        let active = self.table.word(attachment, offset_of!(Binding, active));
        let generation = Word::unpack(active.load(Ordering::Relaxed))
            .generation
            .wrapping_add(2);
        let fallback = Word {
            generation: generation + 1,
            slot: fallback_slot,
        };
        let lease = lease_offset(generation);
        self.table
            .word(attachment, lease + offset_of!(Lease, expires_ns))
            .store(expires_ns, Ordering::Relaxed);
        self.table
            .word(attachment, lease + offset_of!(Lease, fallback))
            .store(fallback.pack(), Ordering::Relaxed);
        // Whoever sees the new word sees the slot and the lease that were written before it.
        fence(Ordering::Release);
        active.store(Word { generation, slot }.pack(), Ordering::Release);
        generation
    }

    /// Say which interface an attachment is; kernel programs send returning packets there.
    ///
    /// # Panics
    /// If `attachment` is out of range.
    pub fn place(&self, attachment: usize, ifindex: u32, facing: u32) {
        let both: u64 = bytemuck::cast([ifindex, facing]);
        self.table
            .word(attachment, offset_of!(Binding, ifindex))
            .store(both, Ordering::Release);
    }

    /// Whether an interface is behind an attachment.
    ///
    /// # Panics
    /// If `attachment` is out of range.
    #[must_use]
    pub fn is_placed(&self, attachment: usize) -> bool {
        let word = self.table.word(attachment, offset_of!(Binding, ifindex));
        let [ifindex, _]: [u32; 2] = bytemuck::cast(word.load(Ordering::Acquire));
        ifindex != 0
    }

    /// What [`Bindings::switch`] answered last.
    ///
    /// # Panics
    /// If `attachment` is out of range.
    #[must_use]
    pub fn generation(&self, attachment: usize) -> u32 {
        let active = self.table.word(attachment, offset_of!(Binding, active));
        Word::unpack(active.load(Ordering::Acquire)).generation
    }

    /// The binding as it is now.
    ///
    /// # Panics
    /// If `attachment` is out of range.
    #[must_use]
    pub fn read(&self, attachment: usize) -> Binding {
        read(&self.table, attachment)
    }
}

/// A binding whose lease belongs to its active word: that word is read first, and whoever sees it
/// sees the lease that was written before it ([`Bindings::switch`]).
///
/// # Panics
/// If `attachment` is out of range.
#[must_use]
pub fn read(table: &Shared<Binding>, attachment: usize) -> Binding {
    let active = table.word(attachment, offset_of!(Binding, active));
    let active = active.load(Ordering::Acquire);
    Binding {
        active,
        ..table.read(attachment)
    }
}

/// Whether generation `a` comes after `b`; generations wrap.
#[must_use]
pub fn is_newer(a: u32, b: u32) -> bool {
    a != b && a.wrapping_sub(b) < 1 << 31
}

/// The word in force at `now`: the active one, or its fallback once its lease is over.
#[must_use]
pub fn in_force(binding: &Binding, now: u64) -> Word {
    let lease = lease_of(binding);
    let over = lease.expires_ns != 0 && now >= lease.expires_ns;
    Word::unpack(if over { lease.fallback } else { binding.active })
}

/// The lease that belongs to the active word of `binding`.
#[must_use]
pub fn lease_of(binding: &Binding) -> Lease {
    let generation = Word::unpack(binding.active).generation;
    binding.lease[lease_index(generation)]
}

fn lease_offset(generation: u32) -> usize {
    offset_of!(Binding, lease) + lease_index(generation) * size_of::<Lease>()
}

/// Active generations are even: half of one tells how long ago a lease was written.
fn lease_index(generation: u32) -> usize {
    generation as usize / 2 % crate::LEASES
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    fn bindings() -> Bindings {
        let file = crate::shm::anonymous(size_of::<Binding>() * 4).expect("memfd");
        Bindings::new(Shared::map(file.as_fd(), 4).expect("maps"))
    }

    #[test]
    fn generations_rise_by_two() {
        let bindings = bindings();
        assert_eq!(bindings.switch(1, 7, 0, 0), 2);
        assert_eq!(bindings.switch(1, 8, 0, 0), 4);
        assert_eq!(
            Word::unpack(bindings.read(1).active),
            Word {
                generation: 4,
                slot: 8
            }
        );
    }

    #[test]
    fn a_lease_names_its_fallback_as_the_odd_generation() {
        let bindings = bindings();
        bindings.switch(1, 7, 0, 0);
        bindings.switch(1, 8, 1234, 7);
        let lease = lease_of(&bindings.read(1));
        assert_eq!(lease.expires_ns, 1234);
        assert_eq!(
            Word::unpack(lease.fallback),
            Word {
                generation: 5,
                slot: 7
            }
        );
    }

    #[test]
    fn a_fallback_is_in_force_from_the_time_that_the_lease_names() {
        let bindings = bindings();
        bindings.switch(1, 8, 1234, 7);
        let slot = |now| in_force(&bindings.read(1), now).slot;
        assert_eq!((slot(1233), slot(1234)), (8, 7));
        bindings.switch(1, 9, 0, 7);
        assert_eq!(slot(u64::MAX), 9);
    }

    #[test]
    fn three_switches_leave_the_lease_of_a_word_alone() {
        let bindings = bindings();
        bindings.switch(1, 7, 1234, 3);
        let before = lease_of(&bindings.read(1));
        // As many as a reader may be late by: the lease of its word is still there.
        for slot in 8..11 {
            bindings.switch(1, slot, 0, 0);
        }
        assert_eq!(bindings.read(1).lease[1], before);
    }

    #[test]
    fn a_generation_at_its_end_starts_over() {
        let bindings = bindings();
        let last = Word {
            generation: u32::MAX - 1,
            slot: 1,
        };
        bindings
            .table
            .word(1, 0)
            .store(last.pack(), Ordering::Relaxed);
        assert_eq!(bindings.switch(1, 2, 0, 0), 0);
    }

    #[test]
    fn placing_does_not_touch_the_word() {
        let bindings = bindings();
        bindings.switch(1, 7, 0, 0);
        bindings.place(1, 42, crate::FACING_NETWORK);
        let binding = bindings.read(1);
        assert_eq!(
            (binding.ifindex, binding.facing),
            (42, crate::FACING_NETWORK)
        );
        assert_eq!(Word::unpack(binding.active).slot, 7);
    }
}
