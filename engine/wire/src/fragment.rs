//! IPv4 fragmentation (RFC 791 section 3.2, RFC 815 for what a fragment is).

use crate::checksum::checksum;
use crate::gso::network_header;

const IPV4: u16 = 0x0800;
const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;
const OPTION_END: u8 = 0;
const OPTION_NOP: u8 = 1;
/// Bit of an option's type: goes into every fragment.
const OPTION_COPIED: u8 = 0x80;

/// What becomes of a frame on a link whose IP packets have at most `mtu` bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Fitted {
    /// It fits as it is, or is not IP.
    Whole,
    /// IPv4 that may be fragmented: Ethernet frames in order.
    Fragments(Vec<Vec<u8>>),
    /// IPv6, or IPv4 with DF: to be answered and dropped.
    TooBig,
}

/// Fits one Ethernet frame, transport checksum complete, to an MTU in bytes.
pub fn fit(frame: &[u8], mtu: usize) -> Fitted {
    match network_header(frame) {
        Some((IPV4, at)) => fit_ipv4(frame, at, mtu),
        Some((0x86dd, at)) if 40 + payload_length_v6(&frame[at..]) > mtu => Fitted::TooBig,
        _ => Fitted::Whole,
    }
}

fn payload_length_v6(ip: &[u8]) -> usize {
    ip.get(4..6)
        .map_or(0, |b| usize::from(u16::from_be_bytes([b[0], b[1]])))
}

fn fit_ipv4(frame: &[u8], at: usize, mtu: usize) -> Fitted {
    let Some(packet) = Ipv4::parse(&frame[at..]) else {
        return Fitted::Whole;
    };
    if packet.total <= mtu {
        return Fitted::Whole;
    }
    let room = mtu.saturating_sub(packet.header.len()) & !7;
    if packet.fragment_field & DONT_FRAGMENT != 0 || room == 0 {
        return Fitted::TooBig;
    }
    Fitted::Fragments(packet.fragments(&frame[..at], room))
}

struct Ipv4<'a> {
    header: &'a [u8],
    payload: &'a [u8],
    total: usize,
    fragment_field: u16,
}

impl<'a> Ipv4<'a> {
    fn parse(ip: &'a [u8]) -> Option<Self> {
        let length = usize::from(ip.first()? & 15) * 4;
        let total = usize::from(u16::from_be_bytes([*ip.get(2)?, *ip.get(3)?]));
        let sound = ip[0] >> 4 == 4 && length >= 20 && total >= length && ip.len() >= total;
        sound.then(|| Self {
            header: &ip[..length],
            payload: &ip[length..total],
            total,
            fragment_field: u16::from_be_bytes([ip[6], ip[7]]),
        })
    }

    fn fragments(&self, ethernet: &[u8], room: usize) -> Vec<Vec<u8>> {
        let later_header = copied_options(self.header);
        let chunks = self.payload.len().div_ceil(room);
        let fragment = |(index, chunk): (usize, &[u8])| {
            let header = if index == 0 {
                self.header
            } else {
                &later_header
            };
            let offset = (self.fragment_field & OFFSET) + (index * room / 8) as u16;
            let more = index + 1 < chunks || self.fragment_field & MORE_FRAGMENTS != 0;
            let field = offset | if more { MORE_FRAGMENTS } else { 0 };
            [ethernet, &finished(header, chunk.len(), field), chunk].concat()
        };
        self.payload
            .chunks(room)
            .enumerate()
            .map(fragment)
            .collect()
    }
}

fn finished(header: &[u8], payload: usize, fragment_field: u16) -> Vec<u8> {
    let mut header = header.to_vec();
    let total = (header.len() + payload) as u16;
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[6..8].copy_from_slice(&fragment_field.to_be_bytes());
    header[10..12].fill(0);
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

/// The header of fragments after the first: only options with the copied flag stay
/// (RFC 791 section 3.1), padded to a multiple of four.
fn copied_options(header: &[u8]) -> Vec<u8> {
    let mut kept = header[..20].to_vec();
    let mut options = &header[20..];
    while let Some((option, rest)) = next_option(options) {
        if option[0] & OPTION_COPIED != 0 {
            kept.extend_from_slice(option);
        }
        options = rest;
    }
    kept.resize(kept.len().next_multiple_of(4), OPTION_END);
    kept[0] = 0x40 | (kept.len() / 4) as u8;
    kept
}

fn next_option(options: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = match *options.first()? {
        OPTION_END => return None,
        OPTION_NOP => 1,
        _ => usize::from(*options.get(1)?),
    };
    (length > 0)
        .then(|| options.split_at_checked(length))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::{fold, sum};
    use proptest::prelude::*;

    const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    /// Record route (not copied), then router alert (copied), then the end.
    const OPTIONS: [u8; 12] = [7, 7, 4, 0, 0, 0, 0, 0x94, 4, 0, 0, 0];

    fn ipv4(options: &[u8], field: u16, payload: &[u8]) -> Vec<u8> {
        let length = 20 + options.len();
        let mut ip = vec![
            0x40 | (length / 4) as u8,
            0,
            0,
            0,
            0x12,
            0x34,
            0,
            0,
            64,
            17,
            0,
            0,
        ];
        ip.extend([10, 0, 0, 1, 10, 0, 0, 2]);
        ip.extend(options);
        let ip = finished(&ip, payload.len(), field);
        [&MACS[..], &[8, 0], &ip, payload].concat()
    }

    fn fragments(frame: &[u8], mtu: usize) -> Vec<Vec<u8>> {
        match fit(frame, mtu) {
            Fitted::Fragments(fragments) => fragments,
            other => panic!("{other:?}"),
        }
    }

    /// RFC 815: the holes that fragments leave; the payload when there is none.
    fn reassembled(fragments: &[Vec<u8>]) -> Option<Vec<u8>> {
        let mut payload: Vec<Option<u8>> = Vec::new();
        let mut end = None;
        for fragment in fragments {
            let packet = Ipv4::parse(&fragment[14..])?;
            let offset = usize::from(packet.fragment_field & OFFSET) * 8;
            payload.resize(payload.len().max(offset + packet.payload.len()), None);
            for (at, &byte) in packet.payload.iter().enumerate() {
                payload[offset + at] = Some(byte);
            }
            if packet.fragment_field & MORE_FRAGMENTS == 0 {
                end = Some(offset + packet.payload.len());
            }
        }
        (end == Some(payload.len()))
            .then(|| payload.into_iter().collect())
            .flatten()
    }

    #[test]
    fn a_packet_that_fits_stays_whole() {
        assert_eq!(fit(&ipv4(&[], 0, &[1; 580]), 600), Fitted::Whole);
        assert_eq!(
            fit(&ipv4(&[], DONT_FRAGMENT, &[1; 580]), 600),
            Fitted::Whole
        );
    }

    #[test]
    fn ethernet_padding_does_not_count() {
        let mut frame = ipv4(&[], 0, &[1; 10]);
        frame.resize(60, 0);
        assert_eq!(fit(&frame, 30), Fitted::Whole);
    }

    #[test]
    fn what_must_not_be_cut_is_too_big() {
        assert_eq!(
            fit(&ipv4(&[], DONT_FRAGMENT, &[1; 581]), 600),
            Fitted::TooBig
        );
        let mut ipv6 = [&MACS[..], &[0x86, 0xdd, 0x60, 0, 0, 0], &[0; 1300]].concat();
        ipv6[18..20].copy_from_slice(&1241u16.to_be_bytes());
        assert_eq!(fit(&ipv6, 1280), Fitted::TooBig);
        assert_eq!(fit(&ipv6, 1281), Fitted::Whole);
    }

    #[test]
    fn only_copied_options_are_in_later_fragments() {
        let cut = fragments(&ipv4(&OPTIONS, 0, &[1; 500]), 300);
        assert_eq!(cut[0][34..46], OPTIONS);
        assert_eq!(cut[1][14], 0x46);
        assert_eq!(cut[1][34..38], [0x94, 4, 0, 0]);
    }

    #[test]
    fn a_fragment_is_cut_again_in_its_place() {
        let cut = fragments(&ipv4(&[], MORE_FRAGMENTS | 100, &[1; 800]), 420);
        let fields: Vec<u16> = cut
            .iter()
            .map(|f| Ipv4::parse(&f[14..]).expect("sound").fragment_field)
            .collect();
        assert_eq!(fields, [MORE_FRAGMENTS | 100, MORE_FRAGMENTS | 150]);
    }

    #[test]
    fn other_protocols_stay_whole() {
        assert_eq!(
            fit(&[&MACS[..], &[8, 6], &[0; 900]].concat(), 600),
            Fitted::Whole
        );
        assert_eq!(fit(&[0; 13], 600), Fitted::Whole);
    }

    proptest! {
        #[test]
        fn fragments_fit_and_give_the_packet_back(
            payload in prop::collection::vec(any::<u8>(), 100..3000),
            words in 0usize..=3,
            mtu in 68usize..1500,
        ) {
            let frame = ipv4(&OPTIONS[..words * 4], 0, &payload);
            prop_assume!(20 + words * 4 + payload.len() > mtu);
            let cut = fragments(&frame, mtu);
            for fragment in &cut {
                let packet = Ipv4::parse(&fragment[14..]).expect("sound");
                prop_assert!(packet.total <= mtu && fragment.len() == 14 + packet.total);
                prop_assert_eq!(fold(sum(packet.header)), 0xffff);
            }
            prop_assert_eq!(reassembled(&cut), Some(payload));
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), mtu in 0usize..200) {
            let _ = fit(&bytes, mtu);
            if bytes.len() > 14 {
                bytes[12..14].copy_from_slice(&[8, 0]);
                bytes[14] = 0x40 | bytes[14] & 15;
                let _ = fit(&bytes, mtu);
            }
        }
    }
}
