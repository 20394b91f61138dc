//! Puts programs on the tc hooks of interfaces: tcx links (Linux 6.6), else clsact filters.
//!
//! Whether the kernel has tcx is found out by trying. Foreign qdiscs, filters and programs stay as
//! they are: a link is one more in the list, and a filter has a handle and priority of its own.
#![allow(unsafe_code)] // libbpf's C functions, which libbpf-rs does not wrap

use std::ffi::CString;
use std::io;
use std::mem::zeroed;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use libbpf_sys as sys;

use netpersona_layout::pins::Pins;
use netpersona_layout::shm::pinned;

/// Our filters on a clsact qdisc; `tc filter show` lists them as `pref 20048 handle 0x4e50`.
const FILTER_HANDLE: u32 = 0x4e50;
const FILTER_PRIORITY: u32 = 0x4e50;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    Ingress,
    Egress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    Tcx,
    /// `made_qdisc`: there was no clsact on the interface, so the one there now is ours to remove.
    Clsact {
        made_qdisc: bool,
    },
}

/// Run the pinned `program` on a hook of `ifindex`, as `link`. Idempotent; a program of an older
/// build is replaced without a gap. `tcx: false` leaves links out, for kernels that lack them.
///
/// # Errors
/// What the kernel says; `ENODEV` if there is no such interface.
pub fn attach(
    pins: &Pins,
    link: &str,
    program: &str,
    ifindex: u32,
    hook: Hook,
    tcx: bool,
) -> io::Result<Mechanism> {
    let program = pinned(&pins.program(program))?;
    if tcx {
        match attach_link(&pins.link(link), program.as_fd(), ifindex, hook) {
            Ok(()) => return Ok(Mechanism::Tcx),
            Err(error) if lacks_tcx(&error) => {}
            Err(error) => return Err(error),
        }
    }
    attach_filter(program.as_fd(), ifindex, hook)
}

/// Take away what [`attach`] put there. Idempotent; fine if the interface is gone. The clsact
/// qdisc stays.
///
/// # Errors
/// What the kernel says.
pub fn detach(pins: &Pins, link: &str, ifindex: u32, hook: Hook) -> io::Result<()> {
    let pin = pins.link(link);
    match pinned(&pin) {
        Ok(link) => {
            // SAFETY: a descriptor that lives until the end of the arm. An error says that it is
            // detached already: its interface is gone.
            unsafe { sys::bpf_link_detach(link.as_raw_fd()) };
            std::fs::remove_file(&pin)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => detach_filter(ifindex, hook),
        Err(error) => Err(error),
    }
}

/// Kernels before 6.6 do not know the attach type.
fn lacks_tcx(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EOPNOTSUPP))
}

fn attach_link(pin: &Path, program: BorrowedFd<'_>, ifindex: u32, hook: Hook) -> io::Result<()> {
    match pinned(pin) {
        Ok(link) if link_ifindex(link.as_fd())? == ifindex => return update_link(&link, program),
        Ok(_) => std::fs::remove_file(pin)?, // of an interface that is gone
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let kind = match hook {
        Hook::Ingress => sys::BPF_TCX_INGRESS,
        Hook::Egress => sys::BPF_TCX_EGRESS,
    };
    // SAFETY: a valid descriptor; null options mean none.
    let fd = check(unsafe {
        sys::bpf_link_create(program.as_raw_fd(), ifindex as i32, kind, std::ptr::null())
    })?;
    // SAFETY: just made, and nobody else's.
    let link = unsafe { OwnedFd::from_raw_fd(fd) };
    let path = CString::new(pin.as_os_str().as_bytes())?;
    // SAFETY: a valid descriptor and a NUL-terminated path.
    check(unsafe { sys::bpf_obj_pin(link.as_raw_fd(), path.as_ptr()) })?;
    Ok(())
}

/// 0 once the interface is gone.
fn link_ifindex(link: BorrowedFd<'_>) -> io::Result<u32> {
    // SAFETY: plain C data; all zeroes is a value.
    let mut info: sys::bpf_link_info = unsafe { zeroed() };
    let mut size = size_of::<sys::bpf_link_info>() as u32;
    // SAFETY: `info` is as long as `size` says.
    check(unsafe { sys::bpf_link_get_info_by_fd(link.as_raw_fd(), &mut info, &mut size) })?;
    // SAFETY: links that we pin are tcx links, and the kernel filled that member.
    Ok(unsafe { info.__bindgen_anon_1.tcx.ifindex })
}

fn update_link(link: &OwnedFd, program: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: valid descriptors; null options mean none.
    check(unsafe { sys::bpf_link_update(link.as_raw_fd(), program.as_raw_fd(), std::ptr::null()) })
        .map(drop)
}

fn attach_filter(program: BorrowedFd<'_>, ifindex: u32, hook: Hook) -> io::Result<Mechanism> {
    let mut place = tc_hook(ifindex, hook);
    // SAFETY: a valid hook.
    let made_qdisc = match check(unsafe { sys::bpf_tc_hook_create(&mut place) }) {
        Ok(_) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(error),
    };
    let mut filter = filter();
    filter.prog_fd = program.as_raw_fd();
    filter.flags = sys::BPF_TC_F_REPLACE;
    // SAFETY: valid hook and options.
    check(unsafe { sys::bpf_tc_attach(&place, &mut filter) })?;
    Ok(Mechanism::Clsact { made_qdisc })
}

fn detach_filter(ifindex: u32, hook: Hook) -> io::Result<()> {
    let place = tc_hook(ifindex, hook);
    // SAFETY: valid hook and options.
    match check(unsafe { sys::bpf_tc_detach(&place, &filter()) }) {
        Err(error)
            if !matches!(
                error.raw_os_error(),
                Some(libc::ENOENT | libc::ENODEV | libc::EINVAL)
            ) =>
        {
            Err(error)
        }
        _ => Ok(()), // detached, or no such filter, interface or qdisc
    }
}

fn tc_hook(ifindex: u32, hook: Hook) -> sys::bpf_tc_hook {
    sys::bpf_tc_hook {
        sz: size_of::<sys::bpf_tc_hook>() as sys::size_t,
        ifindex: ifindex as i32,
        attach_point: match hook {
            Hook::Ingress => sys::BPF_TC_INGRESS,
            Hook::Egress => sys::BPF_TC_EGRESS,
        },
        ..Default::default()
    }
}

fn filter() -> sys::bpf_tc_opts {
    sys::bpf_tc_opts {
        sz: size_of::<sys::bpf_tc_opts>() as sys::size_t,
        handle: FILTER_HANDLE,
        priority: FILTER_PRIORITY,
        ..Default::default()
    }
}

/// libbpf answers -errno.
fn check(result: i32) -> io::Result<i32> {
    if result < 0 {
        Err(io::Error::from_raw_os_error(-result))
    } else {
        Ok(result)
    }
}
