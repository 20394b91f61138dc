//! What the tests of the emulator share: a packet, personas, a way to run them.
#![allow(dead_code)] // each test file uses its part

pub mod distributions;
pub mod statistics;

use std::rc::Rc;

use bytemuck::Zeroable;
use netpersona_emulate::emulator::{Emulator, EmulatorOptions};
use netpersona_emulate::packet::{Class, Packet};
use netpersona_emulate::settings::LinkSettings;
use netpersona_layout::{self as layout, Conditions, Link};

pub const DEFAULT: Class = Class {
    queue: layout::QUEUE_DEFAULT,
    priority: 0,
};
pub const MILLISECOND: u64 = 1_000_000;
pub const SECOND: u64 = 1_000_000_000;

/// Equal segments of a numbered packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    pub id: u64,
    pub first: u32,
    pub count: u32,
    pub segment_bytes: u64,
    pub corrupted: bool,
}

impl Parcel {
    pub fn new(id: u64, count: u32, segment_bytes: u64) -> Self {
        Self {
            id,
            first: 0,
            count,
            segment_bytes,
            corrupted: false,
        }
    }
}

impl Packet for Parcel {
    fn segments(&self) -> u32 {
        self.count
    }

    fn wire_bytes(&self, first: u32, count: u32) -> u64 {
        assert!(first + count <= self.count);
        u64::from(count) * self.segment_bytes
    }

    fn slice(&self, first: u32, count: u32) -> Self {
        assert!(count >= 1 && first + count <= self.count);
        Self {
            first: self.first + first,
            count,
            ..self.clone()
        }
    }

    fn corrupt(&mut self, _random: u64) {
        assert_eq!(self.count, 1);
        self.corrupted = !self.corrupted;
    }
}

/// Conditions of the egress direction that `edit` fills in.
pub fn conditions(edit: impl FnOnce(&mut Link)) -> Conditions {
    let mut conditions = Conditions::zeroed();
    conditions.seed = 1;
    let link = &mut conditions.link[layout::EGRESS];
    link.flags = layout::LINK_ACTIVE;
    link.default_queue_length = 1000;
    edit(link);
    conditions
}

pub fn settings(conditions: &Conditions) -> Rc<LinkSettings> {
    Rc::new(LinkSettings::new(conditions, layout::EGRESS).expect("a valid persona"))
}

pub fn link(edit: impl FnOnce(&mut Link)) -> Rc<LinkSettings> {
    settings(&conditions(edit))
}

pub fn lane() -> Emulator<Parcel> {
    Emulator::new(EmulatorOptions::default())
}

/// A segment that left: packet, segment, due time, corrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Left {
    pub id: u64,
    pub segment: u32,
    pub due: u64,
    pub corrupted: bool,
}

/// Everything due by `now`, segment by segment.
pub fn poll(lane: &mut Emulator<Parcel>, now: u64) -> Vec<Left> {
    let mut left = Vec::new();
    lane.poll(now, |parcel, due| {
        let Parcel {
            id,
            first,
            count,
            corrupted,
            ..
        } = parcel;
        left.extend((first..first + count).map(|segment| Left {
            id,
            segment,
            due,
            corrupted,
        }));
    });
    left
}

/// Sends `packets` of `segments` segments every `gap` ns through `link`, and
/// lets all of them leave.
pub fn send(link: &Rc<LinkSettings>, packets: u64, segments: u32, gap: u64) -> Vec<Left> {
    let mut lane = lane();
    let mut left = Vec::new();
    for id in 0..packets {
        lane.admit(id * gap, 2, link, DEFAULT, Parcel::new(id, segments, 1514));
        left.extend(poll(&mut lane, id * gap));
    }
    left.extend(poll(&mut lane, u64::MAX));
    left
}
