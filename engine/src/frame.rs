//! A frame on its way through the engine: what the TAP gave, and what goes back.
//!
//! From the kernel comes `[virtio-net header][detour header][Ethernet frame]`, and
//! the offsets in the virtio-net header count the detour header. Back goes
//! `[virtio-net header][MACs][802.1Q tag][workload's tag, if any][EtherType …]`, where
//! the 802.1Q tag says PCP = priority, DEI = direction, VID = attachment.

use std::rc::Rc;

use netpersona_emulate::packet::Packet;
use netpersona_layout::{
    DetourHeader, DETOUR_PROBE, DETOUR_VLAN, DETOUR_VLAN_AD, ETHERTYPE_DETOUR, MAX_ATTACHMENTS,
    TAG_PROBE,
};
use netpersona_port::buffer::{Buffer, Pool};
use netpersona_wire::checksum;
use netpersona_wire::gso::{Slice, Superpacket, MAX_HEADERS};
use netpersona_wire::vnet::{GsoType, PartialChecksum, VnetHeader, VNET_HEADER};

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
    /// To be captured by the kernel programs rather than sent on.
    pub probe: bool,
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
            probe: detour.flags & DETOUR_PROBE != 0,
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
        let probe = if self.probe { TAG_PROBE } else { 0 };
        u16::from(self.priority) << 13
            | u16::from(self.direction) << 12
            | probe
            | self.attachment & (TAG_PROBE - 1)
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
    /// When the packet came to the kernel's hook.
    arrived: u64,
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
            arrived: detour.arrived_ns,
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
            arrived: self.arrived,
            first: 0,
            count: 1,
        }
    }

    pub fn route(&self) -> Route {
        self.route
    }

    pub fn arrived(&self) -> u64 {
        self.arrived
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

    fn counted(&self) -> u64 {
        if self.route.probe {
            0
        } else {
            self.count.into()
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
    use netpersona_wire::gso::testing::Recipe;

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
mod tests;
