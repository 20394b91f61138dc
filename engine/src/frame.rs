//! A frame on its way through the engine: what the TAP gave, and what goes back.
//!
//! From the kernel comes `[virtio-net header][detour header][Ethernet frame]`, and
//! the offsets in the virtio-net header count the detour header. Back goes
//! `[virtio-net header][MACs][802.1Q tag][workload's tag, if any][EtherType …]`, where
//! the 802.1Q tag says PCP = priority, DEI = direction, VID = attachment.

use std::rc::Rc;

use crate::buffer::{Buffer, Pool};
use crate::checksum;
use crate::gso::{Slice, Superpacket, MAX_HEADERS};
use crate::layout::{DetourHeader, DETOUR_VLAN, DETOUR_VLAN_AD, ETHERTYPE_DETOUR, MAX_ATTACHMENTS};
use crate::packet::Packet;
use crate::vnet::{GsoType, PartialChecksum, VnetHeader, VNET_HEADER};

const DETOUR: usize = size_of::<DetourHeader>();
const MACS: usize = 12;
const ETHERNET: usize = 14;
const TAG: usize = 4;
const TPID_8021Q: u16 = 0x8100;
const TPID_8021AD: u16 = 0x88a8;

/// Bytes that are not a frame given to the engine by our kernel programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// How a frame goes back to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    pub attachment: u16,
    /// `layout::EGRESS` or `layout::INGRESS`.
    pub direction: u8,
    /// 0..7
    pub priority: u8,
    /// The workload's own tag: protocol identifier and control information.
    pub tag: Option<(u16, u16)>,
}

impl Route {
    fn of(detour: &DetourHeader) -> Self {
        let tpid = if detour.flags & DETOUR_VLAN_AD != 0 {
            TPID_8021AD
        } else {
            TPID_8021Q
        };
        Self {
            attachment: detour.attachment,
            direction: detour.direction,
            priority: detour.priority & 7,
            tag: (detour.flags & DETOUR_VLAN != 0).then_some((tpid, detour.vlan_tci)),
        }
    }

    /// The way back to where a frame of this route came from.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self {
            direction: self.direction ^ 1,
            ..self
        }
    }

    fn control_information(self) -> u16 {
        u16::from(self.priority) << 13 | u16::from(self.direction) << 12 | self.attachment & 0xfff
    }

    fn tag_length(self) -> usize {
        if self.tag.is_some() {
            TAG
        } else {
            0
        }
    }
}

/// Where the parts of a frame are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The virtio-net header, its offsets counted from the Ethernet header.
    vnet: VnetHeader,
    superpacket: Option<Superpacket>,
    segments: u32,
}

/// Reads what stands before and in a frame from the TAP. Never panics.
pub fn parse(bytes: &[u8]) -> Result<(DetourHeader, Shape), Malformed> {
    let (vnet, rest) = bytes.split_first_chunk::<VNET_HEADER>().ok_or(Malformed)?;
    let (detour, frame) = rest.split_first_chunk::<DETOUR>().ok_or(Malformed)?;
    let detour: DetourHeader = bytemuck::pod_read_unaligned(detour);
    let known = u16::from_be(detour.ethertype_be) == ETHERTYPE_DETOUR
        && usize::from(detour.attachment) < MAX_ATTACHMENTS
        && detour.direction <= 1;
    if !known || frame.len() < ETHERNET {
        return Err(Malformed);
    }
    let vnet = without_detour(VnetHeader::parse(vnet), frame.len())?;
    Ok((detour, Shape::of(vnet, frame)))
}

fn without_detour(mut vnet: VnetHeader, length: usize) -> Result<VnetHeader, Malformed> {
    if let Some(partial) = &mut vnet.checksum {
        partial.start = partial.start.checked_sub(DETOUR as u16).ok_or(Malformed)?;
        let end = usize::from(partial.start) + usize::from(partial.offset) + 2;
        if usize::from(partial.start) < ETHERNET || end > length {
            return Err(Malformed);
        }
    }
    vnet.header_length = vnet.header_length.saturating_sub(DETOUR as u16);
    Ok(vnet)
}

impl Shape {
    fn of(vnet: VnetHeader, frame: &[u8]) -> Self {
        let superpacket = Superpacket::parse(&vnet, frame);
        let segments = superpacket.map_or(1, |s| s.segments(frame.len() - s.header_length()));
        Self {
            vnet,
            superpacket,
            segments,
        }
    }

    fn plain(vnet: VnetHeader) -> Self {
        Self {
            vnet,
            superpacket: None,
            segments: 1,
        }
    }
}

/// One frame, or a run of the segments of a superpacket. Slices share the bytes.
#[derive(Clone, Debug)]
pub struct Frame {
    buffer: Rc<Buffer>,
    /// What the bytes were made from, when they are not what the TAP gave: the
    /// packet counts as settled only when this goes.
    origin: Option<Rc<Buffer>>,
    /// Where the Ethernet header is in the buffer.
    start: u32,
    shape: Shape,
    route: Route,
    first: u32,
    count: u32,
}

/// The bytes that are written in front of a frame's shared bytes.
#[derive(Debug)]
pub struct Head {
    bytes: [u8; VNET_HEADER + 2 * TAG + MAX_HEADERS],
    length: usize,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            bytes: [0; VNET_HEADER + 2 * TAG + MAX_HEADERS],
            length: 0,
        }
    }
}

impl Head {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }

    fn push_tag(&mut self, tpid: u16, tci: u16) {
        self.push(&tpid.to_be_bytes());
        self.push(&tci.to_be_bytes());
    }
}

impl Frame {
    /// The frame in what the TAP gave and [`parse`] understood.
    pub fn new(buffer: Buffer, detour: &DetourHeader, shape: Shape) -> Self {
        Self {
            buffer: Rc::new(buffer),
            origin: None,
            start: (VNET_HEADER + DETOUR) as u32,
            shape,
            route: Route::of(detour),
            first: 0,
            count: shape.segments,
        }
    }

    /// A frame of its own bytes, Ethernet header first, checksums complete, made
    /// from this one and settled with it.
    #[must_use]
    pub fn derived(&self, ethernet: &[u8], route: Route) -> Self {
        let mut buffer = self.pool().take(ethernet.len());
        buffer.copy_from_slice(ethernet);
        Self {
            buffer: Rc::new(buffer),
            origin: Some(Rc::clone(self.origin.as_ref().unwrap_or(&self.buffer))),
            start: 0,
            shape: Shape::plain(VnetHeader::parse(&[0; VNET_HEADER])),
            route,
            first: 0,
            count: 1,
        }
    }

    pub fn route(&self) -> Route {
        self.route
    }

    /// The bytes of a frame of one segment, Ethernet header first, with the transport
    /// checksum complete.
    pub fn to_ethernet(&self) -> Vec<u8> {
        let mut bytes = self.whole()[..MACS].to_vec();
        let mut headers = [0; MAX_HEADERS];
        let length = self.headers(&mut headers);
        bytes.extend_from_slice(&headers[..length]);
        bytes.extend_from_slice(self.body());
        if let Some(partial) = self.checksum_left() {
            checksum::complete(&mut bytes, partial.start.into(), partial.offset.into());
        }
        bytes
    }

    /// What is to be written to the TAP: bytes put together in `head`, then bytes
    /// that stay where they are.
    pub fn emit<'a>(&'a self, head: &'a mut Head) -> [&'a [u8]; 2] {
        head.length = 0;
        head.push(&self.outgoing_vnet().to_bytes());
        head.push(&self.whole()[..MACS]);
        head.push_tag(TPID_8021Q, self.route.control_information());
        if let Some((tpid, tci)) = self.route.tag {
            head.push_tag(tpid, tci);
        }
        let length = self.headers(&mut head.bytes[head.length..]);
        [&head.bytes[..head.length + length], self.body()]
    }

    fn pool(&self) -> &Pool {
        self.buffer.pool()
    }

    /// The frame as it came, whatever part of it this is.
    fn whole(&self) -> &[u8] {
        &self.buffer[self.start as usize..]
    }

    fn is_part(&self) -> bool {
        self.count < self.shape.segments
    }

    /// Writes the headers from the EtherType on when they differ from those in the
    /// shared bytes; returns their length.
    fn headers(&self, out: &mut [u8]) -> usize {
        let Some(superpacket) = self.shape.superpacket.filter(|_| self.is_part()) else {
            return 0;
        };
        let headers = &self.whole()[MACS..superpacket.header_length()];
        let out = &mut out[..headers.len()];
        out.copy_from_slice(headers);
        superpacket.rebuild(out, self.as_slice(&superpacket));
        out.len()
    }

    /// The shared bytes that follow [`Self::headers`].
    fn body(&self) -> &[u8] {
        let whole = self.whole();
        match self.shape.superpacket.filter(|_| self.is_part()) {
            None => &whole[MACS..],
            Some(superpacket) => {
                &whole[superpacket.header_length()..]
                    [self.payload(&superpacket, self.first, self.count)]
            }
        }
    }

    fn as_slice(&self, superpacket: &Superpacket) -> Slice {
        let whole = self.whole().len() - superpacket.header_length();
        Slice {
            first: self.first,
            count: self.count,
            of: self.shape.segments,
            payload: self.payload(superpacket, self.first, self.count).len() as u32,
            payload_of: whole as u32,
        }
    }

    /// Where the payload of some segments is in the payload of the whole.
    fn payload(&self, superpacket: &Superpacket, first: u32, count: u32) -> std::ops::Range<usize> {
        let whole = self.whole().len() - superpacket.header_length();
        let mss = usize::from(superpacket.mss);
        (first as usize * mss).min(whole)..((first + count) as usize * mss).min(whole)
    }

    fn checksum_left(&self) -> Option<PartialChecksum> {
        let bare = self.count == 1
            && self
                .shape
                .superpacket
                .is_some_and(|s| s.without_checksum(&self.whole()[MACS..]));
        self.shape.vnet.checksum.filter(|_| !bare)
    }

    fn outgoing_vnet(&self) -> VnetHeader {
        let tags = (TAG + self.route.tag_length()) as u16;
        let mut vnet = self.shape.vnet;
        vnet.checksum = self.checksum_left().map(|c| PartialChecksum {
            start: c.start + tags,
            ..c
        });
        match self.shape.superpacket {
            Some(_) if self.count == 1 => {
                (vnet.gso, vnet.gso_size, vnet.header_length, vnet.ecn) =
                    (GsoType::None, 0, 0, false);
            }
            Some(superpacket) => {
                vnet.header_length = superpacket.header_length() as u16 + tags;
                vnet.ecn &= self.first == 0;
            }
            // Longer than what is there, the kernel refuses it.
            None if vnet.header_length > 0 => {
                vnet.header_length =
                    (vnet.header_length.saturating_add(tags)).min(self.written_length());
            }
            None => {}
        }
        vnet
    }

    fn written_length(&self) -> u16 {
        let length = self.whole().len() + TAG + self.route.tag_length();
        u16::try_from(length).unwrap_or(u16::MAX)
    }
}

impl Packet for Frame {
    fn segments(&self) -> u32 {
        self.count
    }

    fn wire_bytes(&self, first: u32, count: u32) -> u64 {
        let tag = self.route.tag_length();
        let bytes = match self.shape.superpacket {
            None => self.whole().len() + tag,
            Some(superpacket) => {
                let payload = self.payload(&superpacket, self.first + first, count).len();
                payload + count as usize * (superpacket.header_length() + tag)
            }
        };
        bytes as u64
    }

    fn slice(&self, first: u32, count: u32) -> Self {
        debug_assert!(count > 0 && first + count <= self.count);
        Self {
            first: self.first + first,
            count,
            ..self.clone()
        }
    }

    /// Flips one bit behind the Ethernet header, as noise on a link would: with the
    /// checksum complete, so that the receiver notices.
    fn corrupt(&mut self, random: u64) {
        let mut bytes = self.to_ethernet();
        let bits = (bytes.len() - ETHERNET) as u64 * 8;
        if bits == 0 {
            return;
        }
        let bit = random % bits;
        bytes[ETHERNET + (bit / 8) as usize] ^= 1 << (bit % 8);
        *self = self.derived(&bytes, self.route);
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! What the TAP gives, put together.
    use super::*;
    use crate::gso::testing::Recipe;

    pub(crate) fn detour(attachment: u16, direction: u8) -> DetourHeader {
        DetourHeader {
            ethertype_be: ETHERTYPE_DETOUR.to_be(),
            attachment,
            direction,
            queue: 255,
            ..bytemuck::Zeroable::zeroed()
        }
    }

    pub(crate) fn from_tap(vnet: VnetHeader, detour: &DetourHeader, frame: &[u8]) -> Vec<u8> {
        [&vnet.to_bytes(), bytemuck::bytes_of(detour), frame].concat()
    }

    pub(crate) fn plain_vnet() -> VnetHeader {
        VnetHeader::parse(&[0; VNET_HEADER])
    }

    pub(crate) fn superpacket(recipe: &Recipe, detour: &DetourHeader) -> Vec<u8> {
        let (frame, start) = recipe.frame();
        let mut bytes = [0; VNET_HEADER];
        bytes[1] = recipe.gso_type();
        let checksum = PartialChecksum {
            start: (start + DETOUR) as u16,
            offset: recipe.checksum_offset(),
        };
        let vnet = VnetHeader {
            checksum: Some(checksum),
            header_length: 300,
            gso_size: recipe.mss,
            ..VnetHeader::parse(&bytes)
        };
        from_tap(vnet, detour, &frame)
    }

    pub(crate) fn read(bytes: &[u8]) -> Frame {
        let (detour, shape) = parse(bytes).expect("well formed");
        let mut buffer = Pool::default().take(bytes.len());
        buffer.copy_from_slice(bytes);
        Frame::new(buffer, &detour, shape)
    }

    pub(crate) fn written(frame: &Frame) -> Vec<u8> {
        frame.emit(&mut Head::default()).concat()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;
    use crate::gso::testing::{checksums_hold, recipes, segmented, Recipe};
    use proptest::prelude::*;

    const ARP: [u8; 42] = {
        let mut frame = [0x11; 42];
        (frame[12], frame[13]) = (0x08, 0x06);
        frame
    };

    fn recipe() -> Recipe {
        Recipe {
            v6: false,
            udp: false,
            extended: false,
            tagged: false,
            checksum: true,
            flags: 0x99, // CWR, ACK, PSH, FIN
            ecn: true,
            sequence: u32::MAX - 100,
            id: u16::MAX,
            mss: 1000,
            payload: vec![7; 2500],
        }
    }

    #[test]
    fn a_plain_frame_goes_back_behind_one_tag() {
        let mut header = detour(0x123, 1);
        header.priority = 5;
        let out = written(&read(&from_tap(plain_vnet(), &header, &ARP)));
        assert_eq!(out[..VNET_HEADER], [0; VNET_HEADER]);
        let frame = &out[VNET_HEADER..];
        assert_eq!(frame[..12], ARP[..12]);
        assert_eq!(frame[12..16], [0x81, 0x00, 0b1011_0001, 0x23]);
        assert_eq!(frame[16..], ARP[12..]);
    }

    #[test]
    fn the_workloads_own_tag_follows_ours() {
        let mut header = detour(1, 0);
        (header.flags, header.vlan_tci) = (DETOUR_VLAN | DETOUR_VLAN_AD, 0x2064);
        let frame = read(&from_tap(plain_vnet(), &header, &ARP));
        assert_eq!(
            written(&frame)[VNET_HEADER + 16..][..4],
            [0x88, 0xa8, 0x20, 0x64]
        );
        assert_eq!(frame.wire_bytes(0, 1), ARP.len() as u64 + 4);
    }

    #[test]
    fn what_is_no_detour_frame_is_malformed() {
        let good = from_tap(plain_vnet(), &detour(1, 0), &ARP);
        assert!(parse(&good).is_ok());
        let mut other_ethertype = good.clone();
        other_ethertype[VNET_HEADER + 12] = 8;
        let no_such_attachment = from_tap(plain_vnet(), &detour(4000, 0), &ARP);
        let no_such_direction = from_tap(plain_vnet(), &detour(1, 2), &ARP);
        let too_short = &good[..VNET_HEADER + DETOUR + 13];
        for bytes in [
            &other_ethertype[..],
            &no_such_attachment,
            &no_such_direction,
            too_short,
            &[],
        ] {
            assert_eq!(parse(bytes).err(), Some(Malformed));
        }
    }

    #[test]
    fn a_checksum_outside_of_the_frame_is_malformed() {
        for (start, offset) in [
            (0, 16),
            (DETOUR as u16 + 13, 2),
            (DETOUR as u16 + 40, 1),
            (u16::MAX, u16::MAX),
        ] {
            let vnet = VnetHeader {
                checksum: Some(PartialChecksum { start, offset }),
                ..plain_vnet()
            };
            assert_eq!(
                parse(&from_tap(vnet, &detour(1, 0), &ARP)).err(),
                Some(Malformed),
                "{start} {offset}"
            );
        }
    }

    #[test]
    fn a_header_length_is_never_beyond_the_frame() {
        for given in [0u16, 5, 33, 60, u16::MAX] {
            let vnet = VnetHeader {
                header_length: given,
                ..plain_vnet()
            };
            let out = written(&read(&from_tap(vnet, &detour(1, 0), &ARP)));
            let length = usize::from(u16::from_ne_bytes([out[2], out[3]]));
            assert!(length <= out.len() - VNET_HEADER, "{given} gave {length}");
        }
    }

    #[test]
    fn a_superpacket_of_a_kind_we_cannot_slice_stays_whole() {
        let (bytes, start) = recipe().frame();
        let checksum = PartialChecksum {
            start: (start + DETOUR) as u16,
            offset: 16,
        };
        let vnet = VnetHeader {
            checksum: Some(checksum),
            gso: GsoType::Other(3),
            gso_size: 1000,
            ..plain_vnet()
        };
        let frame = read(&from_tap(vnet, &detour(1, 0), &bytes));
        assert_eq!(frame.segments(), 1);
        assert_eq!(written(&frame)[1], 3);
    }

    #[test]
    fn cwr_is_on_the_first_segment_and_fin_on_the_last() {
        let whole = read(&superpacket(&recipe(), &detour(1, 0)));
        let flags: Vec<u8> = (0..3)
            .map(|i| written(&whole.slice(i, 1))[VNET_HEADER + 18 + 20 + 13])
            .collect();
        assert_eq!(flags, [0x90, 0x10, 0x19]);
    }

    #[test]
    fn noise_is_seen_by_the_receiver() {
        for random in [0, 8 * 25, 8 * 900 + 3, u64::MAX] {
            let mut segment = read(&superpacket(&recipe(), &detour(1, 0))).slice(1, 1);
            let before = segmented(&written(&segment)).remove(0);
            segment.corrupt(random);
            let out = written(&segment);
            assert_eq!(
                out[..VNET_HEADER],
                [0; VNET_HEADER],
                "nothing left to complete"
            );
            let after = &out[VNET_HEADER..];
            let flipped: u32 = before
                .iter()
                .zip(after)
                .map(|(a, b)| (a ^ b).count_ones())
                .sum();
            assert_eq!((flipped, after.len()), (1, before.len()));
            assert_eq!(before[..18], after[..18]);
        }
    }

    #[test]
    fn a_packet_is_settled_when_its_last_part_goes() {
        let counter = Rc::new(std::cell::Cell::new(0));
        let bytes = superpacket(&recipe(), &detour(1, 0));
        let (header, shape) = parse(&bytes).expect("well formed");
        let mut buffer = Pool::default().take(bytes.len());
        buffer.copy_from_slice(&bytes);
        buffer.count_on_drop(Rc::clone(&counter));
        let whole = Frame::new(buffer, &header, shape);
        let mut noisy = whole.slice(0, 1);
        noisy.corrupt(1);
        drop(whole);
        assert_eq!(counter.get(), 0);
        drop(noisy);
        assert_eq!(counter.get(), 1);
    }

    /// Cuts `count` segments into runs at the bits set in `cuts`.
    fn runs(count: u32, cuts: u64) -> Vec<(u32, u32)> {
        let mut starts: Vec<u32> = (0..count)
            .filter(|i| *i == 0 || cuts >> (i % 64) & 1 == 1)
            .collect();
        starts.push(count);
        starts
            .windows(2)
            .map(|pair| (pair[0], pair[1] - pair[0]))
            .collect()
    }

    proptest! {
        #[test]
        fn slicing_then_segmenting_is_segmenting(recipe in recipes(), cuts: u64, cuts_again: u64) {
            let whole = read(&superpacket(&recipe, &detour(9, 1)));
            let expected = segmented(&written(&whole));
            prop_assert_eq!(expected.len() as u32, whole.segments());
            let mut sliced = Vec::new();
            for (first, count) in runs(whole.segments(), cuts) {
                let run = whole.slice(first, count);
                for (first, count) in runs(run.segments(), cuts_again) {
                    sliced.extend(segmented(&written(&run.slice(first, count))));
                }
            }
            prop_assert_eq!(&sliced, &expected);
            for frame in &sliced {
                prop_assert!(checksums_hold(frame));
            }
        }

        #[test]
        fn wire_bytes_are_those_of_the_segments(recipe in recipes(), first in 0u32..8, count in 1u32..8) {
            let whole = read(&superpacket(&recipe, &detour(9, 1)));
            let first = first.min(whole.segments() - 1);
            let count = count.min(whole.segments() - first);
            let frames = segmented(&written(&whole));
            let bytes: usize = frames[first as usize..][..count as usize].iter().map(|f| f.len() - TAG).sum();
            prop_assert_eq!(whole.wire_bytes(first, count), bytes as u64);
            prop_assert_eq!(whole.slice(first, count).wire_bytes(0, count), bytes as u64);
        }

        #[test]
        fn a_segment_taken_out_is_what_goes_over_the_wire(recipe in recipes()) {
            let whole = read(&superpacket(&recipe, &detour(9, 1)));
            for (i, expected) in segmented(&written(&whole)).iter().enumerate() {
                let out = whole.slice(i as u32, 1).to_ethernet();
                prop_assert_eq!(&out[..12], &expected[..12]);
                prop_assert_eq!(&out[12..], &expected[16..]);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..300), gso in 0u8..8) {
            if bytes.len() > VNET_HEADER + 16 {
                bytes[1] = gso;
                bytes[VNET_HEADER + 12..VNET_HEADER + 14].copy_from_slice(&[0x88, 0xb5]);
            }
            exercise(&bytes);
        }

        #[test]
        fn no_broken_superpacket_makes_it_panic(
            recipe in recipes(), at: prop::sample::Index, value: u8, keep: prop::sample::Index,
        ) {
            let mut bytes = superpacket(&recipe, &detour(9, 1));
            let at = at.index(bytes.len().min(200));
            bytes[at] = value;
            bytes.truncate(keep.index(bytes.len()) + 1);
            exercise(&bytes);
        }
    }

    fn exercise(bytes: &[u8]) {
        let Ok((header, shape)) = parse(bytes) else {
            return;
        };
        let mut buffer = Pool::default().take(bytes.len());
        buffer.copy_from_slice(bytes);
        let frame = Frame::new(buffer, &header, shape);
        let mut last = frame.slice(frame.segments() - 1, 1);
        written(&frame);
        written(&last);
        frame.wire_bytes(0, frame.segments());
        last.corrupt(77);
    }
}
