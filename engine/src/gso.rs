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

#[cfg(test)]
pub(crate) mod testing {
    //! A segmenter that shares nothing with what it judges, and superpackets to feed it.
    use proptest::prelude::*;

    use crate::vnet::VNET_HEADER;

    fn be16(bytes: &[u8], at: usize) -> usize {
        usize::from(bytes[at]) << 8 | usize::from(bytes[at + 1])
    }

    fn put16(bytes: &mut [u8], at: usize, value: usize) {
        bytes[at] = (value >> 8) as u8;
        bytes[at + 1] = value as u8;
    }

    /// RFC 1071, the slow way; the remainder 0 has one spelling.
    fn ones_sum(bytes: &[u8]) -> u64 {
        bytes
            .iter()
            .enumerate()
            .map(|(i, &b)| u64::from(b) << (8 * (1 - i % 2)))
            .sum()
    }

    pub(crate) fn folded(sum: u64) -> u16 {
        (sum % 0xffff) as u16
    }

    /// Where the IP header of an outgoing frame is: behind its 802.1Q tags.
    fn ip_at(frame: &[u8]) -> usize {
        let tags = (0..3)
            .take_while(|tag| matches!(be16(frame, 12 + 4 * tag), 0x8100 | 0x88a8))
            .count();
        14 + 4 * tags
    }

    /// Whether all checksums of an Ethernet frame are right.
    pub(crate) fn checksums_hold(frame: &[u8]) -> bool {
        let ip = &frame[ip_at(frame)..];
        let (addresses, l4, protocol) = match ip[0] >> 4 {
            4 => (&ip[12..20], usize::from(ip[0] & 15) * 4, ip[9]),
            _ => (&ip[8..40], transport_v6(ip).0, transport_v6(ip).1),
        };
        let header_holds = ip[0] >> 4 == 6 || folded(ones_sum(&ip[..l4])) == 0;
        let transport = &ip[l4..];
        let bare = protocol == 17 && be16(transport, 6) == 0;
        let pseudo = ones_sum(addresses) + transport.len() as u64 + u64::from(protocol);
        header_holds && (bare || folded(pseudo + ones_sum(transport)) == 0)
    }

    fn transport_v6(ip: &[u8]) -> (usize, u8) {
        match ip[6] {
            60 => (48, ip[40]),
            protocol => (40, protocol),
        }
    }

    /// Software segmentation of what was written to the TAP: the frames on the wire.
    pub(crate) fn segmented(written: &[u8]) -> Vec<Vec<u8>> {
        let native = |at: usize| usize::from(u16::from_ne_bytes([written[at], written[at + 1]]));
        let frame = &written[VNET_HEADER..];
        let needs_checksum = written[0] & 1 != 0;
        let (start, field) = (native(6), native(6) + native(8));
        let gso = written[1] & 0x7f;
        let payload_at = match gso {
            0 => {
                return vec![finish(
                    frame.to_vec(),
                    needs_checksum.then_some((start, field)),
                )]
            }
            5 => start + 8,
            _ => start + usize::from(frame[start + 12] >> 4) * 4,
        };
        assert_eq!(native(2), payload_at, "hdr_len");
        assert!(needs_checksum, "GSO needs a partial checksum");
        let chunks: Vec<&[u8]> = frame[payload_at..].chunks(native(4)).collect();
        let segment = |(i, chunk): (usize, &&[u8])| {
            let mut out = [&frame[..payload_at], chunk].concat();
            let ip = ip_at(frame);
            let length = out.len();
            if out[ip] >> 4 == 4 {
                put16(&mut out, ip + 2, length - ip);
                let id = be16(&out, ip + 4).wrapping_add(i) & 0xffff;
                put16(&mut out, ip + 4, id);
                put16(&mut out, ip + 10, 0);
                let sum = !folded(ones_sum(&out[ip..start]));
                put16(&mut out, ip + 10, sum.into());
            } else {
                put16(&mut out, ip + 4, length - ip - 40);
            }
            let bare = gso == 5 && be16(&out, field) == 0;
            if gso == 5 {
                put16(&mut out, start + 4, length - start);
            } else {
                let sequence =
                    u32::from_be_bytes(out[start + 4..start + 8].try_into().expect("four"));
                let sequence = sequence.wrapping_add((i * native(4)) as u32);
                out[start + 4..start + 8].copy_from_slice(&sequence.to_be_bytes());
                if i + 1 < chunks.len() {
                    out[start + 13] &= !0x09;
                }
                if i > 0 {
                    out[start + 13] &= !0x80;
                }
            }
            // The pseudo-header sum anew, from the addresses.
            let addresses = if out[ip] >> 4 == 4 {
                ip + 12..ip + 20
            } else {
                ip + 8..ip + 40
            };
            let protocol = if gso == 5 { 17 } else { 6 };
            let pseudo = folded(ones_sum(&out[addresses]) + (length - start) as u64 + protocol);
            if !bare {
                put16(&mut out, field, pseudo.into());
            }
            finish(out, (!bare).then_some((start, field)))
        };
        chunks.iter().enumerate().map(segment).collect()
    }

    fn finish(mut frame: Vec<u8>, partial: Option<(usize, usize)>) -> Vec<u8> {
        if let Some((start, field)) = partial {
            let sum = !folded(ones_sum(&frame[start..]));
            put16(
                &mut frame,
                field,
                if sum == 0 { 0xffff } else { sum.into() },
            );
        }
        frame
    }

    /// What a superpacket is made of.
    #[derive(Clone, Debug)]
    pub(crate) struct Recipe {
        pub v6: bool,
        pub udp: bool,
        /// IPv4 options or an IPv6 destination options header.
        pub extended: bool,
        pub tagged: bool,
        pub checksum: bool,
        pub flags: u8,
        pub ecn: bool,
        pub sequence: u32,
        pub id: u16,
        pub mss: u16,
        pub payload: Vec<u8>,
    }

    pub(crate) fn recipes() -> impl Strategy<Value = Recipe> {
        let payload = (1usize..9, 100u16..1400).prop_flat_map(|(segments, mss)| {
            let most = segments * usize::from(mss);
            (
                Just(mss),
                prop::collection::vec(any::<u8>(), most + 1 - usize::from(mss)..=most),
            )
        });
        (
            any::<[bool; 6]>(),
            any::<u8>(),
            any::<u32>(),
            any::<u16>(),
            payload,
        )
            .prop_map(
                |(
                    [v6, udp, extended, tagged, checksum, ecn],
                    flags,
                    sequence,
                    id,
                    (mss, payload),
                )| Recipe {
                    v6,
                    udp,
                    extended,
                    tagged,
                    checksum: checksum || !udp,
                    flags,
                    ecn: ecn && !udp,
                    sequence,
                    id,
                    mss,
                    payload,
                },
            )
    }

    impl Recipe {
        /// The Ethernet frame, its partial checksum, and where that starts.
        pub(crate) fn frame(&self) -> (Vec<u8>, usize) {
            let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
            if self.tagged {
                frame.extend([0x81, 0x00, 0x00, 0x07]);
            }
            let transport = self.transport();
            let length = transport.len() + self.payload.len();
            frame.extend(if self.v6 { [0x86, 0xdd] } else { [0x08, 0x00] });
            frame.extend(if self.v6 {
                self.ipv6(length)
            } else {
                self.ipv4(length)
            });
            let start = frame.len();
            frame.extend(transport);
            frame.extend(&self.payload);
            (frame, start)
        }

        pub(crate) fn gso_type(&self) -> u8 {
            let kind = if self.udp {
                5
            } else if self.v6 {
                4
            } else {
                1
            };
            kind | if self.ecn { 0x80 } else { 0 }
        }

        pub(crate) fn checksum_offset(&self) -> u16 {
            if self.udp {
                6
            } else {
                16
            }
        }

        fn protocol(&self) -> u8 {
            if self.udp {
                17
            } else {
                6
            }
        }

        fn addresses(&self) -> Vec<u8> {
            if self.v6 {
                (0x20..0x40).collect()
            } else {
                vec![10, 9, 0, 1, 10, 9, 0, 2]
            }
        }

        fn ipv4(&self, length: usize) -> Vec<u8> {
            let words: u8 = if self.extended { 7 } else { 5 };
            let mut ip = vec![
                0x40 | words,
                0,
                0,
                0,
                0,
                0,
                0x40,
                0,
                64,
                self.protocol(),
                0,
                0,
            ];
            put16(&mut ip, 4, self.id.into());
            put16(&mut ip, 2, usize::from(words) * 4 + length);
            ip.extend(self.addresses());
            ip.resize(usize::from(words) * 4, 1);
            let sum = !folded(ones_sum(&ip));
            put16(&mut ip, 10, sum.into());
            ip
        }

        fn ipv6(&self, length: usize) -> Vec<u8> {
            let extension: &[u8] = if self.extended {
                &[self.protocol(), 0, 1, 4, 0, 0, 0, 0]
            } else {
                &[]
            };
            let mut ip = vec![
                0x60,
                0,
                0,
                0,
                0,
                0,
                if self.extended { 60 } else { self.protocol() },
                64,
            ];
            put16(&mut ip, 4, extension.len() + length);
            ip.extend(self.addresses());
            ip.extend(extension);
            ip
        }

        fn transport(&self) -> Vec<u8> {
            let mut header = vec![0x30, 0x39, 0x00, 0x50];
            if self.udp {
                header.extend([0; 4]);
                put16(&mut header, 4, 8 + self.payload.len());
            } else {
                header.extend(self.sequence.to_be_bytes());
                header.extend([0, 0, 0, 1, 0x80, self.flags, 0xff, 0xff, 0, 0, 0, 0]);
                header.extend([1; 12]);
            }
            let length = (header.len() + self.payload.len()) as u64;
            let pseudo = ones_sum(&self.addresses()) + length + u64::from(self.protocol());
            if self.checksum {
                put16(
                    &mut header,
                    self.checksum_offset().into(),
                    folded(pseudo).into(),
                );
            }
            header
        }
    }
}
