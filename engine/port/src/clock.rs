//! The time, and waiting for it or for packets.
#![allow(unsafe_code)] // epoll(7) and timerfd(2), which std does not have

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

/// Has the calling thread run before others where CPUs are short, like the network's other softirqs:
/// while it waits for one, the TAP's ring fills and every departure is late. In vain without CAP_SYS_NICE.
pub fn run_first() {
    const THIS_THREAD: libc::id_t = 0;
    // SAFETY: no pointers.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, THIS_THREAD, -20) };
}

/// Where the time comes from, in nanoseconds of `CLOCK_MONOTONIC`.
pub trait Clock {
    fn now(&self) -> u64;
}

/// The kernel's clock, the one of `bpf_ktime_get_ns`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Monotonic;

impl Clock for Monotonic {
    fn now(&self) -> u64 {
        netpersona_layout::shm::now_ns()
    }
}

/// Sleeps until a descriptor is readable or a point in time.
///
/// A timerfd rather than a timeout: poll, select and epoll all let a timeout slip by up to
/// 0.1 % of its length (`select_estimate_accuracy` in fs/select.c), whatever the timer
/// slack of the thread; a timerfd fires when it is told to.
#[derive(Debug)]
pub struct Sleeper {
    epoll: OwnedFd,
    timer: OwnedFd,
    armed: u64,
}

impl Sleeper {
    /// # Errors
    /// What epoll_create1, timerfd_create or epoll_ctl say.
    pub fn new(readable: BorrowedFd<'_>) -> io::Result<Self> {
        // SAFETY: no pointers; the result is checked.
        let epoll = owned(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        let flags = libc::TFD_NONBLOCK | libc::TFD_CLOEXEC;
        // SAFETY: no pointers; the result is checked.
        let timer = owned(unsafe { libc::timerfd_create(libc::CLOCK_MONOTONIC, flags) })?;
        watch(&epoll, readable.as_raw_fd(), libc::EPOLLIN)?;
        // SAFETY: no pointers. `sleep` would else be up to 50 µs late, as a thread's timers are by default.
        unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
        // Edge-triggered: an expiry need not be read, the next setting clears it.
        watch(&epoll, timer.as_raw_fd(), libc::EPOLLIN | libc::EPOLLET)?;
        Ok(Self {
            epoll,
            timer,
            armed: 0,
        })
    }

    /// Returns once the descriptor is readable, at `deadline` (`CLOCK_MONOTONIC`, ns), or when a
    /// signal comes; a deadline that has passed returns at once.
    ///
    /// # Errors
    /// What timerfd_settime and epoll_wait say.
    pub fn wait(&mut self, deadline: u64) -> io::Result<()> {
        self.arm(deadline.max(1))?;
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; 2];
        // SAFETY: room for the two events that are asked for.
        let ready = unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), events.as_mut_ptr(), 2, -1) };
        match checked(ready) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    /// Returns at `deadline`, or when a signal comes, whatever becomes readable.
    ///
    /// # Errors
    /// What clock_nanosleep says.
    pub fn sleep(&self, deadline: u64) -> io::Result<()> {
        let until = timespec(deadline);
        let (clock, flags) = (libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME);
        // SAFETY: a valid time; with TIMER_ABSTIME nothing is written back.
        match unsafe { libc::clock_nanosleep(clock, flags, &until, std::ptr::null_mut()) } {
            0 | libc::EINTR => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    fn arm(&mut self, deadline: u64) -> io::Result<()> {
        // A timer that waits for this very moment need not be set again, unless it went off.
        if self.armed == deadline && netpersona_layout::shm::now_ns() < deadline {
            return Ok(());
        }
        let setting = libc::itimerspec {
            it_interval: timespec(0), // once
            it_value: timespec(deadline),
        };
        let timer = self.timer.as_raw_fd();
        // SAFETY: a valid setting; the old one is not asked for.
        let done = unsafe {
            libc::timerfd_settime(
                timer,
                libc::TFD_TIMER_ABSTIME,
                &setting,
                std::ptr::null_mut(),
            )
        };
        checked(done)?;
        self.armed = deadline;
        Ok(())
    }
}

fn timespec(nanoseconds: u64) -> libc::timespec {
    libc::timespec {
        tv_sec: (nanoseconds / 1_000_000_000) as libc::time_t,
        tv_nsec: (nanoseconds % 1_000_000_000) as libc::c_long,
    }
}

fn watch(epoll: &OwnedFd, fd: i32, events: i32) -> io::Result<()> {
    let mut event = libc::epoll_event {
        events: events as u32,
        u64: 0,
    };
    // SAFETY: a valid event, which the kernel copies.
    checked(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &mut event) })
        .map(drop)
}

fn checked(result: i32) -> io::Result<i32> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

fn owned(fd: i32) -> io::Result<OwnedFd> {
    let fd = checked(fd)?;
    // SAFETY: just made, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(any(test, feature = "testing"))]
pub mod testing {
    use super::Clock;
    use std::cell::Cell;
    use std::rc::Rc;

    /// A clock that stands until it is moved. Clones share it.
    #[derive(Clone, Debug, Default)]
    pub struct ManualClock(Rc<Cell<u64>>);

    impl ManualClock {
        pub fn set(&self, now: u64) {
            self.0.set(now);
        }
    }

    impl Clock for ManualClock {
        fn now(&self) -> u64 {
            self.0.get()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    const LONG: u64 = 60_000_000_000;

    #[test]
    fn a_deadline_that_has_passed_returns_at_once() {
        let (reader, _writer) = UnixStream::pair().expect("a pipe");
        let mut sleeper = Sleeper::new(reader.as_fd()).expect("a sleeper");
        sleeper.wait(0).expect("waits");
        sleeper.wait(0).expect("waits again");
    }

    #[test]
    fn a_readable_descriptor_ends_the_wait() {
        let (reader, mut writer) = UnixStream::pair().expect("a pipe");
        let mut sleeper = Sleeper::new(reader.as_fd()).expect("a sleeper");
        writer.write_all(b"x").expect("writes");
        let start = Monotonic.now();
        sleeper.wait(start + LONG).expect("waits");
        assert!(Monotonic.now() - start < LONG);
    }

    #[test]
    fn what_becomes_readable_does_not_end_a_sleep() {
        let (reader, mut writer) = UnixStream::pair().expect("a pipe");
        let sleeper = Sleeper::new(reader.as_fd()).expect("a sleeper");
        writer.write_all(b"x").expect("writes");
        let deadline = Monotonic.now() + 100_000;
        sleeper.sleep(deadline).expect("sleeps");
        assert!(Monotonic.now() >= deadline);
    }

    #[test]
    fn it_never_wakes_before_the_deadline() {
        let (reader, _writer) = UnixStream::pair().expect("a pipe");
        let mut sleeper = Sleeper::new(reader.as_fd()).expect("a sleeper");
        for _ in 0..3 {
            let deadline = Monotonic.now() + 100_000;
            sleeper.wait(deadline).expect("waits");
            assert!(Monotonic.now() >= deadline);
        }
    }
}
