//! The detour TAP: where kernel programs hand packets to the engine and take them back.
#![allow(unsafe_code)] // ioctl(2) on /dev/net/tun

use std::fs::File;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use netpersona_wire::vnet::VNET_HEADER;

// include/uapi/linux/if_tun.h; the USO bits are of Linux 6.2.
const TUN_F_CSUM: libc::c_ulong = 0x01;
const TUN_F_TSO4: libc::c_ulong = 0x02;
const TUN_F_TSO6: libc::c_ulong = 0x04;
const TUN_F_TSO_ECN: libc::c_ulong = 0x08;
const TUN_F_USO4: libc::c_ulong = 0x20;
const TUN_F_USO6: libc::c_ulong = 0x40;
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
const TUNSETOFFLOAD: libc::c_ulong = 0x4004_54d0;
const TUNSETVNETHDRSZ: libc::c_ulong = 0x4004_54d8;

/// A device that gives and takes one packet per call, and never blocks.
pub trait Port {
    /// Reads one packet, scattered over `parts`.
    ///
    /// # Errors
    /// `WouldBlock` when there is none.
    fn read(&mut self, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize>;

    /// Writes one packet, gathered from `parts`.
    ///
    /// # Errors
    /// What the device says; the packet is then gone.
    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<()>;
}

/// A TAP with virtio-net headers and segmentation offloads.
#[derive(Debug)]
pub struct Tap(File);

impl Tap {
    /// Attaches to the TAP of this name, which is created (and goes with us) if there is none.
    ///
    /// # Errors
    /// `EBUSY` when another process has it, `EPERM` without `CAP_NET_ADMIN`, `ENOENT` without
    /// /dev/net/tun, `EINVAL` for a name that is no interface name or an interface that is no TAP.
    pub fn open(name: &str) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")?;
        attach(&file, name)?;
        set_header_size(&file)?;
        set_offloads(&file)?;
        Ok(Self(file))
    }
}

impl AsFd for Tap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Port for Tap {
    fn read(&mut self, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.0.read_vectored(parts)
    }

    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        self.0.write_vectored(parts).map(drop)
    }
}

fn attach(file: &File, name: &str) -> io::Result<()> {
    let invalid = || {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{name:?} is no interface name"),
        )
    };
    if name.is_empty() || name.len() >= libc::IFNAMSIZ || name.contains(['/', ' ', '\0', '%']) {
        return Err(invalid());
    }
    // SAFETY: an ifreq is plain old data; zero is a value of it.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_flags =
        (libc::IFF_TAP | libc::IFF_NO_PI | libc::IFF_VNET_HDR) as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes the ifreq it is given.
    checked(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETIFF, &mut request) })
}

fn set_header_size(file: &File) -> io::Result<()> {
    let size = VNET_HEADER as libc::c_int;
    // SAFETY: TUNSETVNETHDRSZ reads the int it is given.
    checked(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETVNETHDRSZ, &size) })
}

/// Takes superpackets whole: without, the kernel would segment and checksum each one for us.
fn set_offloads(file: &File) -> io::Result<()> {
    let tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    // Before Linux 6.2 the UDP bits are unknown and refuse the whole.
    offer(file, tcp | TUN_F_USO4 | TUN_F_USO6).or_else(|_| offer(file, tcp))
}

fn offer(file: &File, offloads: libc::c_ulong) -> io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value.
    checked(unsafe { libc::ioctl(file.as_raw_fd(), TUNSETOFFLOAD, offloads) })
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_is_refused_before_the_kernel_is_asked() {
        let file = File::open("/dev/null").expect("opens");
        for name in ["", "sixteen-or-longer", "a/b", "np%d"] {
            let error = attach(&file, name).expect_err(name);
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{name}");
        }
    }
}
