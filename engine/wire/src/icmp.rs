//! Answers to packets that are too big: ICMP "fragmentation needed" (RFC 792, RFC 1191) and
//! ICMPv6 "packet too big" (RFC 4443 section 3.2).
//!
//! A router would answer from an address of its own. We are a link and have none, so the
//! answer comes from the address that the packet was sent to; the sender matches it by the
//! packet quoted in it (RFC 1191 section 6.2, RFC 8201 section 4), not by who sent it.

use crate::checksum::{checksum, fold, pseudo_header_v6, sum};
use crate::gso::network_header;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// The ICMP message is at most 576 bytes (RFC 1812 4.3.2.3), the ICMPv6 one 1280 (RFC 4443 2.4c).
const MAX_V4: usize = 576;
const MAX_V6: usize = 1280;

/// The frame that tells the sender of `frame` about `mtu`; `None` where the RFCs want silence.
pub fn too_big(frame: &[u8], mtu: u32) -> Option<Vec<u8>> {
    let (ethertype, at) = network_header(frame)?;
    if frame[0] & 1 != 0 {
        return None; // sent to a link-layer broadcast or multicast (RFC 1122 3.2.2, RFC 4443 2.4e)
    }
    let packet = match ethertype {
        IPV4 => too_big_v4(&frame[at..], mtu)?,
        IPV6 => too_big_v6(&frame[at..], mtu)?,
        _ => return None,
    };
    Some([&frame[6..12], &frame[..6], &frame[12..at], &packet].concat())
}

fn too_big_v4(ip: &[u8], mtu: u32) -> Option<Vec<u8>> {
    let header = usize::from(ip.first()? & 15) * 4;
    if ip[0] >> 4 != 4 || header < 20 || ip.len() < header + 8 || !may_answer_v4(ip, header) {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([ip[2], ip[3]])).min(ip.len());
    let quoted = &ip[..total.min(MAX_V4 - 28)];
    let mut icmp = vec![3, 4, 0, 0, 0, 0];
    icmp.extend_from_slice(&u16::try_from(mtu).unwrap_or(u16::MAX).to_be_bytes());
    icmp.extend_from_slice(quoted);
    let sum = checksum(&icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    Some([&header_v4(&ip[16..20], &ip[12..16], icmp.len())[..], &icmp].concat())
}

fn may_answer_v4(ip: &[u8], header: usize) -> bool {
    let later_fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x1fff != 0;
    // All ICMP messages but queries and their replies are errors (RFC 1122 3.2.2).
    let error = ip[9] == ICMP && !matches!(ip[header], 0 | 8..=10 | 13..=18);
    !later_fragment && !error && is_host_v4(&ip[12..16]) && is_host_v4(&ip[16..20])
}

fn is_host_v4(address: &[u8]) -> bool {
    !matches!(address[0], 0 | 127 | 224..=255)
}

fn header_v4(source: &[u8], destination: &[u8], payload: usize) -> [u8; 20] {
    let mut header = [0; 20];
    header[0] = 0x45;
    header[1] = 0xc0; // RFC 1812 4.3.2.5: internetwork control
    header[2..4].copy_from_slice(&((20 + payload) as u16).to_be_bytes());
    header[6] = 0x40; // DF: it fits anywhere, and needs no identification (RFC 6864)
    header[8] = 64;
    header[9] = ICMP;
    header[12..16].copy_from_slice(source);
    header[16..20].copy_from_slice(destination);
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    header
}

fn too_big_v6(ip: &[u8], mtu: u32) -> Option<Vec<u8>> {
    if ip.len() < 48 || ip[0] >> 4 != 6 || !may_answer_v6(ip) {
        return None;
    }
    let total = (40 + usize::from(u16::from_be_bytes([ip[4], ip[5]]))).min(ip.len());
    let mut icmp = vec![2, 0, 0, 0];
    icmp.extend_from_slice(&mtu.to_be_bytes());
    icmp.extend_from_slice(&ip[..total.min(MAX_V6 - 48)]);
    let addresses = [&ip[24..40], &ip[8..24]].concat();
    let pseudo = pseudo_header_v6(&addresses, icmp.len() as u32, ICMPV6);
    let sum = !fold(pseudo + sum(&icmp));
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    Some([&header_v6(&addresses, icmp.len())[..], &icmp].concat())
}

fn header_v6(addresses: &[u8], payload: usize) -> [u8; 40] {
    let mut header = [0; 40];
    header[0] = 0x60;
    header[4..6].copy_from_slice(&(payload as u16).to_be_bytes());
    header[6] = ICMPV6;
    header[7] = 64;
    header[8..40].copy_from_slice(addresses);
    header
}

/// RFC 4443 2.4e, and no answer about a later fragment: its flow cannot be found.
fn may_answer_v6(ip: &[u8]) -> bool {
    let unicast = |address: &[u8]| address[0] != 0xff && address.iter().any(|&byte| byte != 0);
    unicast(&ip[8..24]) && unicast(&ip[24..40]) && may_answer_transport_v6(ip)
}

fn may_answer_transport_v6(ip: &[u8]) -> bool {
    let (mut next, mut at) = (ip[6], 40);
    // The extension headers of RFC 8200 section 4; more of them than this is no honest packet.
    for _ in 0..8 {
        let Some(header) = ip.get(at..at + 8) else {
            return false;
        };
        match next {
            0 | 43 | 60 => at += 8 + usize::from(header[1]) * 8,
            51 => at += 8 + usize::from(header[1]) * 4,
            44 if u16::from_be_bytes([header[2], header[3]]) & 0xfff8 != 0 => return false,
            44 => at += 8,
            ICMPV6 => return header[0] >= 128,
            _ => return true,
        }
        next = header[0];
    }
    false
}

/// At most so many answers a second: RFC 1812 4.3.2.8 and RFC 4443 2.4f want a limit.
#[derive(Clone, Debug)]
pub struct AnswerLimit {
    tokens: u64,
    refilled: u64,
}

impl AnswerLimit {
    const BURST: u64 = 100;
    const INTERVAL_NS: u64 = 10_000_000;

    pub fn new(now: u64) -> Self {
        Self {
            tokens: Self::BURST,
            refilled: now,
        }
    }

    /// Whether one more answer may go at `now` (ns).
    pub fn allow(&mut self, now: u64) -> bool {
        let earned = now.saturating_sub(self.refilled) / Self::INTERVAL_NS;
        self.tokens = (self.tokens + earned).min(Self::BURST);
        self.refilled += earned * Self::INTERVAL_NS;
        let allowed = self.tokens > 0;
        self.tokens -= u64::from(allowed);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gso::testing::Recipe;
    use proptest::prelude::*;

    fn datagram(v6: bool) -> Vec<u8> {
        let recipe = Recipe {
            v6,
            udp: true,
            extended: false,
            tagged: false,
            checksum: true,
            flags: 0,
            ecn: false,
            sequence: 0,
            id: 7,
            mss: 1400,
            payload: vec![9; 1400],
        };
        recipe.frame().0
    }

    fn changed(v6: bool, at: usize, value: &[u8]) -> Vec<u8> {
        let mut frame = datagram(v6);
        frame[14 + at..14 + at + value.len()].copy_from_slice(value);
        frame
    }

    #[test]
    fn ipv4_learns_the_next_hop_mtu() {
        let frame = datagram(false);
        let answer = too_big(&frame, 1280).expect("an answer");
        assert_eq!((&answer[..6], &answer[6..12]), (&frame[6..12], &frame[..6]));
        let (ip, icmp) = (&answer[14..34], &answer[34..]);
        assert_eq!((&ip[12..16], &ip[16..20]), (&frame[30..34], &frame[26..30]));
        assert_eq!((checksum(ip), checksum(icmp)), (0, 0));
        assert_eq!(icmp[..2], [3, 4]);
        assert_eq!(icmp[6..8], 1280u16.to_be_bytes());
        assert_eq!(icmp[8..], frame[14..14 + 548]);
    }

    #[test]
    fn ipv6_learns_the_mtu() {
        let frame = datagram(true);
        let answer = too_big(&frame, 1300).expect("an answer");
        let (ip, icmp) = (&answer[14..54], &answer[54..]);
        assert_eq!((&ip[8..24], &ip[24..40]), (&frame[38..54], &frame[22..38]));
        let pseudo = pseudo_header_v6(&ip[8..40], icmp.len() as u32, ICMPV6);
        assert_eq!(fold(pseudo + sum(icmp)), 0xffff);
        assert_eq!(icmp[..2], [2, 0]);
        assert_eq!(icmp[4..8], 1300u32.to_be_bytes());
        assert_eq!(
            (icmp[8..].to_vec(), answer.len()),
            (frame[14..14 + 1232].to_vec(), 14 + 1280)
        );
    }

    #[test]
    fn nobody_is_told_about_what_the_rfcs_except() {
        for (what, frame) in [
            (
                "an ICMP error",
                [changed(false, 9, &[1])[..34].to_vec(), vec![3; 600]].concat(),
            ),
            ("a later fragment", changed(false, 6, &[0, 1])),
            ("an unspecified source", changed(false, 12, &[0, 0, 0, 0])),
            ("a multicast destination", changed(false, 16, &[224])),
            (
                "a broadcast destination",
                changed(false, 16, &[255, 255, 255, 255]),
            ),
            (
                "an ICMPv6 error",
                [changed(true, 6, &[58])[..54].to_vec(), vec![2; 600]].concat(),
            ),
            (
                "a later fragment of IPv6",
                [changed(true, 6, &[44])[..54].to_vec(), vec![17; 600]].concat(),
            ),
            ("an unspecified IPv6 source", changed(true, 8, &[0; 16])),
            ("an IPv6 multicast destination", changed(true, 24, &[0xff])),
        ] {
            assert_eq!(too_big(&frame, 1000), None, "{what}");
        }
        let mut broadcast = datagram(false);
        broadcast[..6].fill(0xff);
        assert_eq!(too_big(&broadcast, 1000), None);
    }

    #[test]
    fn a_ping_is_told() {
        let ping = [changed(false, 9, &[1])[..34].to_vec(), vec![8; 600]].concat();
        assert!(too_big(&ping, 500).is_some());
        let ping6 = [changed(true, 6, &[58])[..54].to_vec(), vec![128; 600]].concat();
        assert!(too_big(&ping6, 500).is_some());
    }

    #[test]
    fn answers_are_limited_to_a_hundred_a_second() {
        let mut limit = AnswerLimit::new(0);
        let mut allowed = |now: u64| (0..1000).filter(|_| limit.allow(now)).count();
        assert_eq!(allowed(0), 100);
        assert_eq!(allowed(9_999_999), 0);
        assert_eq!(allowed(500_000_000), 50);
        assert_eq!(allowed(1 << 60), 100);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 14..200), v6: bool) {
            bytes[0] = 2;
            bytes[12..14].copy_from_slice(if v6 { &[0x86, 0xdd] } else { &[8, 0] });
            if let Some(version) = bytes.get_mut(14) {
                *version = if v6 { 0x60 } else { 0x40 | *version & 15 };
            }
            let _ = too_big(&bytes, 1000);
        }
    }
}
