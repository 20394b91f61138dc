//! Superpackets: which frames are ones we can slice, and the headers of a slice.
//!
//! What a slice's headers say follows from what the kernel does when it segments
//! (`tcp_gso_segment`, `__udp_gso_segment`, `inet_gso_segment`): slicing and
//! segmenting the slices gives what segmenting the whole would have given.

use crate::checksum;
use crate::vnet::{GsoType, VnetHeader};

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const TCP_FIN: u8 = 0x01;
const TCP_PSH: u8 = 0x08;
const TCP_CWR: u8 = 0x80;

/// Longest headers that we rebuild, Ethernet to transport, in bytes.
pub const MAX_HEADERS: usize = 400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    V4,
    V6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Tcp,
    Udp,
}

/// Where the headers of a superpacket are, in bytes from its Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superpacket {
    network: Network,
    transport: Transport,
    l3: u16,
    l4: u16,
    payload: u16,
    /// Payload bytes of each segment but the last.
    pub mss: u16,
}

/// A run of a superpacket's segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    pub first: u32,
    pub count: u32,
    /// Segments of the whole.
    pub of: u32,
    /// Payload bytes of this run.
    pub payload: u32,
    /// Payload bytes of the whole.
    pub payload_of: u32,
}

/// Where the network header is and what it is by EtherType, behind any 802.1Q tags.
pub fn network_header(frame: &[u8]) -> Option<(u16, usize)> {
    let mut at = 12;
    for _ in 0..4 {
        let ethertype = word(frame, at)?;
        match ethertype {
            0x8100 | 0x88a8 => at += 4,
            _ => return Some((ethertype, at + 2)),
        }
    }
    None
}

impl Superpacket {
    /// `None` when the frame is not a superpacket of a kind that can be sliced.
    pub fn parse(vnet: &VnetHeader, frame: &[u8]) -> Option<Self> {
        let partial = vnet.checksum?;
        let (ethertype, l3) = network_header(frame)?;
        let l4 = usize::from(partial.start);
        let network = network(ethertype, frame, l3, l4)?;
        let (transport, payload) = transport(vnet.gso, network, frame, l4)?;
        let field = if transport == Transport::Tcp { 16 } else { 6 };
        let fits = vnet.gso_size > 0
            && payload <= frame.len()
            && payload <= MAX_HEADERS
            && partial.offset == field;
        fits.then_some(Self {
            network,
            transport,
            l3: l3 as u16,
            l4: l4 as u16,
            payload: payload as u16,
            mss: vnet.gso_size,
        })
    }

    /// Bytes from the Ethernet header to the end of the transport header.
    pub fn header_length(&self) -> usize {
        self.payload.into()
    }

    /// Segments in `payload` bytes; headers alone are one.
    pub fn segments(&self, payload: usize) -> u32 {
        (payload.div_ceil(usize::from(self.mss)) as u32).max(1)
    }

    /// Turns the headers of the whole into those of a slice. `headers` begins at the
    /// EtherType (12 bytes into the frame) and ends with the transport header.
    pub fn rebuild(&self, headers: &mut [u8], slice: Slice) {
        let l3 = usize::from(self.l3) - 12;
        let l4 = usize::from(self.l4) - 12;
        let transport = u32::from(self.payload - self.l4);
        self.rebuild_network(&mut headers[l3..], slice, transport + slice.payload);
        match self.transport {
            Transport::Tcp => self.rebuild_tcp(&mut headers[l4..], slice),
            Transport::Udp => set_word(&mut headers[l4..], 4, (8 + slice.payload) as u16),
        }
        let field = l4
            + if self.transport == Transport::Tcp {
                16
            } else {
                6
            };
        let partial = word_at(headers, field);
        // UDP without a checksum (RFC 768) stays without one.
        if self.transport == Transport::Tcp || partial != 0 {
            let whole = transport + slice.payload_of;
            set_word(
                headers,
                field,
                checksum::replace(partial, whole, transport + slice.payload),
            );
        }
    }

    /// Whether the datagrams carry no checksum: a zero partial sum cannot be.
    pub fn without_checksum(&self, headers: &[u8]) -> bool {
        self.transport == Transport::Udp && word_at(headers, usize::from(self.l4) - 12 + 6) == 0
    }

    fn rebuild_network(&self, ip: &mut [u8], slice: Slice, transport: u32) {
        let before_transport = u32::from(self.l4 - self.l3);
        match self.network {
            Network::V4 => {
                set_word(ip, 2, (before_transport + transport) as u16);
                let id = word_at(ip, 4).wrapping_add(slice.first as u16);
                set_word(ip, 4, id);
                set_word(ip, 10, 0);
                let sum = checksum::checksum(&ip[..before_transport as usize]);
                set_word(ip, 10, sum);
            }
            Network::V6 => set_word(ip, 4, (before_transport - 40 + transport) as u16),
        }
    }

    fn rebuild_tcp(&self, tcp: &mut [u8], slice: Slice) {
        let sequence = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]);
        let sequence = sequence.wrapping_add(slice.first.wrapping_mul(self.mss.into()));
        tcp[4..8].copy_from_slice(&sequence.to_be_bytes());
        if slice.first + slice.count < slice.of {
            tcp[13] &= !(TCP_FIN | TCP_PSH);
        }
        if slice.first > 0 {
            tcp[13] &= !TCP_CWR; // RFC 3168 6.1.2: one segment tells of the reduction
        }
    }
}

fn network(ethertype: u16, frame: &[u8], l3: usize, l4: usize) -> Option<Network> {
    let first = *frame.get(l3)?;
    let length = l4.checked_sub(l3)?;
    match (ethertype, first >> 4) {
        (IPV4, 4) => (length >= 20 && length == usize::from(first & 15) * 4).then_some(Network::V4),
        // Extension headers may be in between; the kernel says where they end.
        (IPV6, 6) => (length >= 40).then_some(Network::V6),
        _ => None,
    }
}

fn transport(
    gso: GsoType,
    network: Network,
    frame: &[u8],
    l4: usize,
) -> Option<(Transport, usize)> {
    match (gso, network) {
        (GsoType::TcpV4, Network::V4) | (GsoType::TcpV6, Network::V6) => {
            let length = usize::from(frame.get(l4 + 12)? >> 4) * 4;
            (length >= 20).then_some((Transport::Tcp, l4 + length))
        }
        (GsoType::UdpL4, _) => Some((Transport::Udp, l4 + 8)),
        _ => None,
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}

fn word_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn set_word(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

#[cfg(any(test, feature = "testing"))]
pub mod testing;
