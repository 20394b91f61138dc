//! BPF array maps mapped into this process.
//!
//! A map made with `BPF_F_MMAPABLE` (Linux 5.5) is one piece of memory that kernel programs, engine
//! and agent see at once; a store here is visible to the next packet without a system call. Other
//! parties write at any time, so nothing here hands out a `&T`: values are copied in and out with
//! volatile accesses, and words that are raced for are `AtomicU64`s.
#![allow(unsafe_code)] // mmap(2) and raw memory that other processes and the kernel write

use std::ffi::CString;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use bytemuck::Pod;

/// An array of `T` that other parties may write at the same time.
#[derive(Debug)]
pub struct Shared<T: Pod> {
    base: NonNull<T>,
    len: usize,
    element: PhantomData<T>,
}

// SAFETY: the mapping belongs to the process, not to a thread, and every access through a shared
// reference is volatile or atomic, as it must be anyway with writers in other processes.
unsafe impl<T: Pod> Send for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Pod> Sync for Shared<T> {}

impl<T: Pod> Shared<T> {
    /// Map `len` elements of the map (or memfd) behind `fd`, for reading and writing.
    ///
    /// # Errors
    /// What mmap(2) says: `EINVAL` if the map is smaller, `EPERM` if it is frozen.
    pub fn map(fd: BorrowedFd<'_>, len: usize) -> io::Result<Self> {
        // BPF arrays round their elements up to 8 bytes; a type that is not a multiple would not
        // line up with them.
        assert_eq!(
            size_of::<T>() % 8,
            0,
            "elements of shared maps are multiples of 8 bytes"
        );
        // SAFETY: a fresh mapping at an address the kernel chooses; nothing of ours is replaced.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                Self::bytes(len),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self {
            base,
            len,
            element: PhantomData,
        })
    }

    /// Map a map pinned at `path`.
    ///
    /// # Errors
    /// `ENOENT` if nothing is pinned there, and what [`Shared::map`] says.
    pub fn open(path: &Path, len: usize) -> io::Result<Self> {
        Self::map(pinned(path)?.as_fd(), len)
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// A copy of element `index`. Words change one by one under a writer; whoever needs them to
    /// belong together must have it from the protocol (a bound slot is never edited).
    ///
    /// # Panics
    /// If `index` is out of range, as a slice does.
    #[must_use]
    pub fn read(&self, index: usize) -> T {
        // SAFETY: in range by `element`; any bytes are a T (Pod).
        unsafe { self.element(index).read_volatile() }
    }

    /// Overwrite element `index`.
    ///
    /// # Panics
    /// If `index` is out of range.
    pub fn write(&self, index: usize, value: &T) {
        // SAFETY: in range by `element`.
        unsafe { self.element(index).write_volatile(*value) }
    }

    /// The 64-bit word at byte `offset` (see [`std::mem::offset_of`]) of element `index`.
    ///
    /// # Panics
    /// If `index` or `offset` is out of range, or `offset` is not a multiple of 8.
    #[must_use]
    pub fn word(&self, index: usize, offset: usize) -> &AtomicU64 {
        assert!(
            offset % 8 == 0 && offset + 8 <= size_of::<T>(),
            "no word at {offset}"
        );
        // SAFETY: in range by the assertion and `element`; aligned, since the mapping starts at a
        // page, elements are multiples of 8 bytes and so is the offset; the mapping outlives the
        // returned borrow of self.
        unsafe { AtomicU64::from_ptr(self.element(index).byte_add(offset).cast()) }
    }

    fn element(&self, index: usize) -> *mut T {
        assert!(index < self.len, "element {index} of {}", self.len);
        // SAFETY: inside the mapping by the assertion.
        unsafe { self.base.as_ptr().add(index) }
    }

    fn bytes(len: usize) -> usize {
        len * size_of::<T>()
    }
}

impl<T: Pod> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: exactly what `map` mapped; borrows of it cannot outlive self.
        unsafe { libc::munmap(self.base.as_ptr().cast(), Self::bytes(self.len)) };
    }
}

/// The descriptor of a map, program or link pinned on a bpffs.
///
/// # Errors
/// What bpf(2) `BPF_OBJ_GET` says; `ENOENT` if nothing is pinned there.
pub fn pinned(path: &Path) -> io::Result<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: a NUL-terminated path; the result is a new descriptor or -errno.
    let fd = unsafe { libbpf_sys::bpf_obj_get(path.as_ptr()) };
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(-fd));
    }
    // SAFETY: just made, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// `CLOCK_MONOTONIC` in nanoseconds: the clock of `bpf_ktime_get_ns`.
#[must_use]
pub fn now_ns() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: a valid pointer; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Memory that stands in for a map where there is no kernel to ask: tests and fakes.
///
/// # Errors
/// What memfd_create(2) and ftruncate(2) say.
pub fn anonymous(bytes: usize) -> io::Result<std::fs::File> {
    // SAFETY: a NUL-terminated name; the result is checked before it is owned.
    let fd = unsafe { libc::memfd_create(c"netpersona".as_ptr(), libc::MFD_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, and nobody else's.
    let file = unsafe { std::fs::File::from_raw_fd(fd) };
    file.set_len(bytes as u64)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    use bytemuck::Zeroable;

    #[repr(C)]
    #[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
    struct Pair {
        first: u64,
        second: u64,
    }

    #[test]
    fn two_mappings_see_each_other() {
        let file = anonymous(4096).expect("memfd");
        let one = Shared::<Pair>::map(file.as_fd(), 4).expect("maps");
        let two = Shared::<Pair>::map(file.as_fd(), 4).expect("maps");
        one.write(
            3,
            &Pair {
                first: 7,
                second: 8,
            },
        );
        assert_eq!(
            two.read(3),
            Pair {
                first: 7,
                second: 8
            }
        );
        two.word(3, std::mem::offset_of!(Pair, second))
            .store(9, Ordering::Release);
        assert_eq!(one.read(3).second, 9);
    }

    #[test]
    #[should_panic(expected = "element 4 of 4")]
    fn an_index_out_of_range_panics() {
        let file = anonymous(4096).expect("memfd");
        let shared = Shared::<Pair>::map(file.as_fd(), 4).expect("maps");
        let _ = shared.read(4);
    }

    #[test]
    #[should_panic(expected = "no word at 12")]
    fn a_word_off_its_alignment_panics() {
        let file = anonymous(4096).expect("memfd");
        let shared = Shared::<Pair>::map(file.as_fd(), 4).expect("maps");
        let _ = shared.word(0, 12);
    }

    #[test]
    fn nothing_pinned_is_not_found() {
        let error = pinned(Path::new("/sys/fs/bpf/np-no-such-pin")).expect_err("nothing there");
        assert!(matches!(
            error.raw_os_error(),
            Some(libc::ENOENT | libc::EPERM)
        ));
    }
}
