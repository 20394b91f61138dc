//! The virtio-net header that a TAP with `IFF_VNET_HDR` puts before each frame.
//!
//! struct virtio_net_hdr_v1 of `linux/virtio_net.h`, host order (the TAP's default,
//! `TUNSETVNETLE` not set). The last field, `num_buffers`, is not used by a TAP.

/// Bytes of the header: what `TUNSETVNETHDRSZ` is set to.
pub const VNET_HEADER: usize = 12;

const NEEDS_CHECKSUM: u8 = 1;
const GSO_ECN: u8 = 0x80;

/// What kind of superpacket a frame is, without the ECN bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GsoType {
    None,
    TcpV4,
    TcpV6,
    /// UDP segmentation offload; each segment is a datagram of its own.
    UdpL4,
    /// A type that we never offered to the kernel.
    Other(u8),
}

impl GsoType {
    fn from_bits(bits: u8) -> Self {
        match bits & !GSO_ECN {
            0 => Self::None,
            1 => Self::TcpV4,
            4 => Self::TcpV6,
            5 => Self::UdpL4,
            other => Self::Other(other),
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::None => 0,
            Self::TcpV4 => 1,
            Self::TcpV6 => 4,
            Self::UdpL4 => 5,
            Self::Other(bits) => bits,
        }
    }
}

/// A transport checksum that is still to be completed: the field holds the
/// pseudo-header sum. Offsets in bytes; `start` from the frame's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartialChecksum {
    pub start: u16,
    pub offset: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VnetHeader {
    pub checksum: Option<PartialChecksum>,
    pub gso: GsoType,
    /// The first segment alone carries CWR.
    pub ecn: bool,
    pub header_length: u16,
    /// Payload bytes of each segment but the last.
    pub gso_size: u16,
}

impl VnetHeader {
    pub fn parse(bytes: &[u8; VNET_HEADER]) -> Self {
        let word = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let checksum = PartialChecksum {
            start: word(6),
            offset: word(8),
        };
        Self {
            checksum: (bytes[0] & NEEDS_CHECKSUM != 0).then_some(checksum),
            gso: GsoType::from_bits(bytes[1]),
            ecn: bytes[1] & GSO_ECN != 0,
            header_length: word(2),
            gso_size: word(4),
        }
    }

    pub fn to_bytes(self) -> [u8; VNET_HEADER] {
        let mut bytes = [0; VNET_HEADER];
        let mut put =
            |at: usize, value: u16| bytes[at..at + 2].copy_from_slice(&value.to_ne_bytes());
        put(2, self.header_length);
        put(4, self.gso_size);
        if let Some(PartialChecksum { start, offset }) = self.checksum {
            put(6, start);
            put(8, offset);
            bytes[0] = NEEDS_CHECKSUM;
        }
        bytes[1] = self.gso.bits() | if self.ecn { GSO_ECN } else { 0 };
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_round_trip() {
        let header = VnetHeader {
            checksum: Some(PartialChecksum {
                start: 34,
                offset: 16,
            }),
            gso: GsoType::TcpV6,
            ecn: true,
            header_length: 86,
            gso_size: 1440,
        };
        assert_eq!(VnetHeader::parse(&header.to_bytes()), header);
    }

    #[test]
    fn data_valid_is_not_given_back() {
        let mut bytes = [0; VNET_HEADER];
        bytes[0] = 2; // VIRTIO_NET_HDR_F_DATA_VALID: only ever travels to the guest
        assert_eq!(VnetHeader::parse(&bytes).to_bytes(), [0; VNET_HEADER]);
    }

    #[test]
    fn a_type_we_never_offered_is_kept() {
        let mut bytes = [0; VNET_HEADER];
        bytes[1] = 3;
        assert_eq!(VnetHeader::parse(&bytes).gso, GsoType::Other(3));
        assert_eq!(VnetHeader::parse(&bytes).to_bytes(), bytes);
    }
}
