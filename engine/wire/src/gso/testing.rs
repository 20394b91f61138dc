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

pub fn folded(sum: u64) -> u16 {
    (sum % 0xffff) as u16
}

/// Zero is written as 0x0000, as RFC 1071 arithmetic gives it for bytes that are not all zero.
fn header_checksum(header: &[u8]) -> usize {
    match folded(ones_sum(header)) {
        0 => 0,
        sum => (!sum).into(),
    }
}

/// Where the IP header of an outgoing frame is: behind its 802.1Q tags.
fn ip_at(frame: &[u8]) -> usize {
    let tags = (0..3)
        .take_while(|tag| matches!(be16(frame, 12 + 4 * tag), 0x8100 | 0x88a8))
        .count();
    14 + 4 * tags
}

/// Whether all checksums of an Ethernet frame are right.
pub fn checksums_hold(frame: &[u8]) -> bool {
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
pub fn segmented(written: &[u8]) -> Vec<Vec<u8>> {
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
            let sum = header_checksum(&out[ip..start]);
            put16(&mut out, ip + 10, sum);
        } else {
            put16(&mut out, ip + 4, length - ip - 40);
        }
        let bare = gso == 5 && be16(&out, field) == 0;
        if gso == 5 {
            put16(&mut out, start + 4, length - start);
        } else {
            let sequence = u32::from_be_bytes(out[start + 4..start + 8].try_into().expect("four"));
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
pub struct Recipe {
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

pub fn recipes() -> impl Strategy<Value = Recipe> {
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
            |([v6, udp, extended, tagged, checksum, ecn], flags, sequence, id, (mss, payload))| {
                Recipe {
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
                }
            },
        )
}

impl Recipe {
    /// The Ethernet frame, its partial checksum, and where that starts.
    pub fn frame(&self) -> (Vec<u8>, usize) {
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

    pub fn gso_type(&self) -> u8 {
        let kind = if self.udp {
            5
        } else if self.v6 {
            4
        } else {
            1
        };
        kind | if self.ecn { 0x80 } else { 0 }
    }

    pub fn checksum_offset(&self) -> u16 {
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
        let sum = header_checksum(&ip);
        put16(&mut ip, 10, sum);
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
