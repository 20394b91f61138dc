//! Packet formats: virtio-net header, checksums, GSO, fragments, ICMP. Bytes in, bytes out.

pub mod checksum;
pub mod fragment;
pub mod gso;
pub mod icmp;
pub mod vnet;
