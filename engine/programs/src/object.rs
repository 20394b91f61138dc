//! The compiled kernel programs, and the names of what is in them.

/// `bpf/policy.bpf.c` as an ELF object.
pub static OBJECT: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/policy.bpf.o"));

/// The programs of the object. All are of type `sched_cls`.
pub const PROGRAMS: [&str; 4] = ["np_egress", "np_ingress", "np_return", "np_probe"];

/// FNV-1a of the object: tells whether pinned programs are the ones of this build.
#[must_use]
pub fn hash() -> u64 {
    OBJECT.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
