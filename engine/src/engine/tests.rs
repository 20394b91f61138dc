//! The loop over a port and a clock of the test's own.

use super::*;
use crate::frame::testing::{detour, from_tap, plain_vnet, superpacket};
use netpersona_layout::bindings::Word;
use netpersona_layout::{
    Conditions, DETOUR_PASS, IN_FLIGHT_DRAIN, IN_FLIGHT_FLUSH, LINK_ACTIVE, QUEUE_DEFAULT,
};
use netpersona_port::clock::testing::ManualClock;
use netpersona_wire::gso::testing::{checksums_hold, segmented, Recipe};
use netpersona_wire::vnet::VNET_HEADER;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::rc::Rc;

mod beats;
mod farewell;
mod held;
mod too_big;

const MS: u64 = 1_000_000;
const START: u64 = 1_000 * MS;
const LANE: usize = 3 * 2;
const DELAYED: u16 = 1;
const LOSSY: u16 = 2;
const NARROW: u16 = 3;
const SHAPED: u16 = 4;
const NULL: u16 = 0;

#[derive(Clone, Debug, Default)]
struct FakePort(Rc<RefCell<Wires>>);

#[derive(Debug, Default)]
struct Wires {
    incoming: VecDeque<Vec<u8>>,
    written: Vec<Vec<u8>>,
    refusal: Option<io::ErrorKind>,
    /// Every write takes this long on the clock, ns.
    slow: Option<(ManualClock, u64)>,
}

impl Port for FakePort {
    fn read(&mut self, parts: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let packet = self
            .0
            .borrow_mut()
            .incoming
            .pop_front()
            .ok_or(io::ErrorKind::WouldBlock)?;
        let mut left = &packet[..];
        for part in parts {
            let (now, later) = left.split_at(left.len().min(part.len()));
            part[..now.len()].copy_from_slice(now);
            left = later;
        }
        Ok(packet.len())
    }

    fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<()> {
        let mut wires = self.0.borrow_mut();
        if let Some((clock, step)) = &wires.slow {
            clock.set(clock.now() + step);
        }
        wires
            .written
            .push(parts.iter().flat_map(|part| part.to_vec()).collect());
        wires.refusal.map_or(Ok(()), |kind| Err(kind.into()))
    }
}

/// An engine, the kernel's side of its port and memory, and the clock of both.
struct Bench {
    engine: Engine<FakePort, ManualClock>,
    port: FakePort,
    clock: ManualClock,
    sent: u64,
}

impl Bench {
    fn new() -> Self {
        Self::over(Memory::for_tests(), DEFAULT_MEMORY)
    }

    fn over(memory: Memory, limit: u64) -> Self {
        let clock = ManualClock::default();
        clock.set(START);
        memory.attach(3, 17);
        install(&memory, DELAYED, |c| c.link[0].delay.constant_ns = 10 * MS);
        install(&memory, LOSSY, |c| {
            (c.link[0].loss.model, c.link[0].loss.p[0]) = (netpersona_layout::LOSS_BERNOULLI, 1.0);
        });
        install(&memory, NARROW, |c| c.mtu = 600);
        let port = FakePort::default();
        let engine = Engine::new(port.clone(), memory, clock.clone(), 1, limit);
        Self {
            engine,
            port,
            clock,
            sent: 0,
        }
    }

    /// The kernel hands a packet of `slot` to the engine.
    fn send(&mut self, slot: u16, flags: u8, make: impl FnOnce(&DetourHeader) -> Vec<u8>) {
        self.sent += 1;
        self.engine.memory.send(LANE, self.sent);
        let mut header = detour(3, 0);
        (header.slot, header.generation, header.flags) = (slot, 2 * u32::from(slot), flags);
        (header.sequence, header.queue) = (self.sent as u32, QUEUE_DEFAULT);
        self.port.0.borrow_mut().incoming.push_back(make(&header));
    }

    fn send_plain(&mut self, slot: u16, mark: u8) {
        self.send(slot, 0, |header| {
            from_tap(plain_vnet(), header, &[mark; 60])
        });
    }

    /// Runs the engine at `now`; what it wrote.
    fn turn_at(&mut self, now: u64) -> Vec<Vec<u8>> {
        self.clock.set(now);
        while self.engine.turn().expect("the port is well").until <= now {}
        std::mem::take(&mut self.port.0.borrow_mut().written)
    }

    fn settled(&self) -> u64 {
        self.engine.memory.settled(LANE)
    }

    /// Statistics as others see them, after the next heartbeat.
    fn stats(&mut self, now: u64) -> LaneStats {
        self.turn_at(now + HEARTBEAT_NS);
        self.engine.memory.published_lane(LANE)
    }
}

fn install(memory: &Memory, slot: u16, change: impl FnOnce(&mut Conditions)) {
    let mut conditions: Conditions = bytemuck::Zeroable::zeroed();
    for link in &mut conditions.link {
        (link.flags, link.default_queue_length) = (LINK_ACTIVE, 1000);
    }
    change(&mut conditions);
    memory.install(slot.into(), &conditions);
}

fn datagram(payload: usize, dont_fragment: bool) -> Vec<u8> {
    let (mut frame, _) = recipe(payload).frame();
    if !dont_fragment {
        frame[20] &= !0x40;
        frame[24] ^= 0x40; // the header checksum without DF
    }
    frame
}

fn recipe(payload: usize) -> Recipe {
    Recipe {
        v6: false,
        udp: true,
        extended: false,
        tagged: false,
        checksum: false,
        flags: 0x10,
        ecn: false,
        sequence: 1,
        id: 1,
        mss: 1000,
        payload: vec![5; payload],
    }
}

fn marks(written: &[Vec<u8>]) -> Vec<u8> {
    written.iter().map(|packet| packet[VNET_HEADER]).collect()
}
