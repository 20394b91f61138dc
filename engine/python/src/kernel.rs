//! Maps, programs and bindings of one host.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use bytemuck::{bytes_of, pod_read_unaligned, Pod};
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use netpersona_layout::bindings::{self, Word};
use netpersona_layout::counters;
use netpersona_layout::numbers::Numbers;
use netpersona_layout::pins::Pins;
use netpersona_layout::shm::{now_ns, Shared};
use netpersona_layout::{
    self as layout, Attachment, Conditions, Counters, EngineState, EngineStats, LaneShared,
    LaneStats, Policy,
};
use netpersona_programs::attach::{self, Hook, Mechanism};
use netpersona_programs::interface;
use netpersona_programs::loader::{self, LoadError};
use pyo3::create_exception;
use pyo3::exceptions::{PyIndexError, PyKeyError, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::records::record;

create_exception!(_engine, Incompatible, PyRuntimeError);

#[pyfunction]
pub fn load(py: Python<'_>, bpffs: PathBuf) -> PyResult<Kernel> {
    let pins = py.detach(|| loader::load(&bpffs)).map_err(load_error)?;
    Kernel::open(py, pins)
}

/// Incompatible where `load` would raise it; changes nothing.
#[pyfunction]
pub fn check(bpffs: PathBuf) -> PyResult<()> {
    loader::check(&bpffs).map_err(load_error)
}

fn load_error(error: LoadError) -> PyErr {
    match error {
        LoadError::Incompatible { .. } => Incompatible::new_err(error.to_string()),
        other => PyRuntimeError::new_err(other.to_string()),
    }
}

/// The binding table.
#[pyclass(frozen)]
#[derive(Debug)]
pub struct Bindings {
    table: bindings::Bindings,
}

#[pymethods]
impl Bindings {
    /// KeyError if no interface is behind the attachment.
    #[pyo3(signature = (attachment, slot, expires_ns=0, fallback_slot=0))]
    fn switch(
        &self,
        attachment: usize,
        slot: u32,
        expires_ns: u64,
        fallback_slot: u32,
    ) -> PyResult<u32> {
        check_attachment(attachment)?;
        check_slot(slot as usize)?;
        check_slot(fallback_slot as usize)?;
        if !self.table.is_placed(attachment) {
            return Err(PyKeyError::new_err(attachment));
        }
        Ok(self
            .table
            .switch(attachment, slot, expires_ns, fallback_slot))
    }

    /// What `switch` answered last, by attachment.
    fn generations(&self) -> Vec<u32> {
        (0..layout::MAX_ATTACHMENTS)
            .map(|attachment| self.table.generation(attachment))
            .collect()
    }

    fn place(&self, attachment: usize, ifindex: u32, facing: u32) -> PyResult<()> {
        check_attachment(attachment)?;
        self.table.place(attachment, ifindex, facing);
        Ok(())
    }

    fn read<'py>(&self, py: Python<'py>, attachment: usize) -> PyResult<Bound<'py, PyDict>> {
        check_attachment(attachment)?;
        let binding = self.table.read(attachment);
        let (active, lease) = (Word::unpack(binding.active), bindings::lease_of(&binding));
        let read = record!(py, binding, ifindex, facing);
        read.set_item("generation", active.generation)?;
        read.set_item("slot", active.slot)?;
        read.set_item("expires_ns", lease.expires_ns)?;
        read.set_item("fallback_slot", Word::unpack(lease.fallback).slot)?;
        Ok(read)
    }
}

/// What is pinned: open maps and the way to the programs.
#[pyclass(frozen)]
#[derive(Debug)]
pub struct Kernel {
    pins: Pins,
    bindings: Py<Bindings>,
    numbers: Numbers,
    attachments: MapHandle,
    counters: MapHandle,
    tcp_counts: MapHandle,
    policies: Shared<Policy>,
    conditions: Shared<Conditions>,
    lanes: Shared<LaneShared>,
    lane_stats: Shared<LaneStats>,
    engine_state: Shared<EngineState>,
    engine_stats: Shared<EngineStats>,
}

impl Kernel {
    fn open(py: Python<'_>, pins: Pins) -> PyResult<Self> {
        let table = bindings::Bindings::new(shared(&pins, "bindings", layout::MAX_ATTACHMENTS)?);
        Ok(Self {
            bindings: Py::new(py, Bindings { table })?,
            numbers: Numbers::open(&pins)
                .map_err(|error| cannot_open(&pins.map("bindings"), error))?,
            attachments: handle(&pins, "attachments")?,
            counters: handle(&pins, "counters")?,
            tcp_counts: handle(&pins, "tcp_counts")?,
            policies: shared(&pins, "policies", layout::MAX_SLOTS)?,
            conditions: shared(&pins, "conditions", layout::MAX_SLOTS)?,
            lanes: shared(&pins, "lanes", layout::MAX_ATTACHMENTS * 2)?,
            lane_stats: shared(&pins, "lane_stats", layout::MAX_ATTACHMENTS * 2)?,
            engine_state: shared(&pins, "engine_state", 1)?,
            engine_stats: shared(&pins, "engine_stats", 1)?,
            pins,
        })
    }
}

#[pymethods]
impl Kernel {
    #[getter]
    fn bindings(&self, py: Python<'_>) -> Py<Bindings> {
        self.bindings.clone_ref(py)
    }

    /// "tcx", "clsact", or "clsact-made" if the qdisc was not there before.
    ///
    /// Without the GIL: the kernel may wait for RCU (10 to 20 ms), and a switch must not wait with it.
    #[pyo3(signature = (link, program, ifindex, hook, tcx=true))]
    fn attach(
        &self,
        py: Python<'_>,
        link: &str,
        program: &str,
        ifindex: u32,
        hook: &str,
        tcx: bool,
    ) -> PyResult<&'static str> {
        let hook = parse_hook(hook)?;
        let mechanism =
            py.detach(|| attach::attach(&self.pins, link, program, ifindex, hook, tcx))?;
        Ok(match mechanism {
            Mechanism::Tcx => "tcx",
            Mechanism::Clsact { made_qdisc: false } => "clsact",
            Mechanism::Clsact { made_qdisc: true } => "clsact-made",
        })
    }

    /// Without the GIL, as `attach`.
    fn detach(&self, py: Python<'_>, link: &str, ifindex: u32, hook: &str) -> PyResult<()> {
        let hook = parse_hook(hook)?;
        Ok(py.detach(|| attach::detach(&self.pins, link, ifindex, hook))?)
    }

    fn write_slot(&self, slot: usize, policy: &[u8], conditions: &[u8]) -> PyResult<()> {
        check_slot(slot)?;
        self.policies.write(slot, &pod("policy", policy)?);
        self.conditions.write(slot, &pod("conditions", conditions)?);
        Ok(())
    }

    fn read_slot(&self, slot: usize) -> PyResult<(Vec<u8>, Vec<u8>)> {
        check_slot(slot)?;
        Ok((
            bytes_of(&self.policies.read(slot)).to_vec(),
            bytes_of(&self.conditions.read(slot)).to_vec(),
        ))
    }

    fn enlist(&self, ifindex: u32, attachment: u32, facing: u32) -> PyResult<()> {
        check_attachment(attachment as usize)?;
        let value = Attachment {
            attachment,
            facing,
            life: self.numbers.life(attachment as usize),
            reserved: 0,
        };
        self.attachments
            .update(&ifindex.to_ne_bytes(), bytes_of(&value), MapFlags::ANY)
            .map_err(os_error)
    }

    /// Fine if it is not there.
    fn strike(&self, ifindex: u32) -> PyResult<()> {
        let key = ifindex.to_ne_bytes();
        if self
            .attachments
            .lookup(&key, MapFlags::ANY)
            .map_err(os_error)?
            .is_some()
        {
            self.attachments.delete(&key).map_err(os_error)?;
        }
        Ok(())
    }

    /// A number below `bound` that may be given to an interface now; None if there is none.
    fn free(&self, bound: usize) -> Option<usize> {
        self.numbers.free(bound, now_ns())
    }

    /// Start a new life of an attachment, with the null persona and nothing counted.
    fn begin(&self, attachment: usize) -> PyResult<()> {
        check_attachment(attachment)?;
        self.bindings.get().table.switch(attachment, 0, 0, 0);
        for direction in [layout::EGRESS, layout::INGRESS] {
            let index = lane_index(attachment, direction)?;
            clear_per_cpu(&self.counters, index)?;
            clear_per_cpu(&self.tcp_counts, index)?;
        }
        self.numbers.begin(attachment);
        Ok(())
    }

    /// End it. The programs must be off the interface.
    fn end(&self, attachment: usize) -> PyResult<()> {
        check_attachment(attachment)?;
        self.bindings.get().table.switch(attachment, 0, 0, 0);
        self.numbers.end(attachment, now_ns());
        Ok(())
    }

    /// 0 if it has ended, or has not begun.
    fn life(&self, attachment: usize) -> PyResult<u32> {
        check_attachment(attachment)?;
        Ok(self.numbers.life(attachment))
    }

    /// (ifindex, attachment, facing, name) of all, by attachment. Without the GIL: each name is asked for.
    fn attached(&self, py: Python<'_>) -> Vec<(u32, usize, u32, Option<String>)> {
        py.detach(|| {
            self.numbers
                .attached()
                .map(|(ifindex, number, facing)| {
                    (ifindex, number, facing, interface::name(ifindex))
                })
                .collect()
        })
    }

    /// (ifindex, attachment, facing) of all, by attachment; asks the kernel nothing.
    fn places(&self) -> Vec<(u32, usize, u32)> {
        self.numbers.attached().collect()
    }

    /// (attachment, facing) of an interface.
    fn find(&self, ifindex: u32) -> Option<(usize, u32)> {
        let mut all = self.numbers.attached();
        let (_, attachment, facing) = all.find(|entry| entry.0 == ifindex)?;
        Some((attachment, facing))
    }

    fn counters<'py>(
        &self,
        py: Python<'py>,
        attachment: usize,
        direction: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        let total = self.sum_counters(lane_index(attachment, direction)?)?;
        let counters = record!(
            py,
            total,
            flows_created,
            flows_closed,
            flows_refused,
            expired,
            generation,
            generation_packets,
        );
        counters.update(tallies(py, &total)?.as_mapping())?;
        Ok(counters)
    }

    fn lane<'py>(
        &self,
        py: Python<'py>,
        attachment: usize,
        direction: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        let lane = self.read_lane(lane_index(attachment, direction)?);
        Ok(record!(py, lane, sent, settled, quiet_ns))
    }

    /// The slots that bindings name, and (life, direction, sent, settled) of every lane with packets
    /// under way. A thousand attachments take well under a millisecond.
    fn references(&self, py: Python<'_>) -> (Vec<u32>, Vec<UnderWay>) {
        let table = &self.bindings.get().table;
        py.detach(|| {
            let (mut slots, mut under_way) = (Vec::new(), Vec::new());
            for (_, number, _) in self.numbers.attached() {
                slots.extend(named_slots(&table.read(number)));
                for direction in [layout::EGRESS, layout::INGRESS] {
                    let lane = self.read_lane(number * 2 + direction);
                    if lane.sent != lane.settled {
                        let life = self.numbers.life(number);
                        under_way.push((life, direction, lane.sent, lane.settled));
                    }
                }
            }
            (slots, under_way)
        })
    }

    fn lane_stats<'py>(
        &self,
        py: Python<'py>,
        attachment: usize,
        direction: usize,
    ) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.lane_stats.read(lane_index(attachment, direction)?);
        Ok(record!(
            py,
            stats,
            received,
            emitted,
            lost,
            duplicated,
            corrupted,
            reordered,
            dropped_queue,
            dropped_line,
            dropped_ring,
            dropped_emit,
            flushed,
            fragmented,
            answered,
            held,
            seed,
            generation,
        ))
    }

    fn engine<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let stats = self.engine_stats.read(0);
        let engine = record!(
            py,
            stats,
            started_ns,
            wakeups,
            reads,
            writes,
            dropped_memory,
            unknown_frames,
            held_bytes,
            held_bytes_limit,
        );
        let state = self.engine_state.read(0);
        engine.set_item("lateness", stats.lateness.to_vec())?;
        engine.set_item("heartbeat_ns", state.heartbeat_ns)?;
        engine.set_item("tap_ifindex", state.tap_ifindex)?;
        Ok(engine)
    }

    /// Tell kernel programs where the engine is; 0: nowhere. Leaves the engine's heartbeat alone.
    fn set_tap(&self, ifindex: u32) {
        let word: u64 = bytemuck::cast([ifindex, 0_u32]);
        self.engine_state
            .word(0, std::mem::offset_of!(EngineState, tap_ifindex))
            .store(word, std::sync::atomic::Ordering::Release);
    }
}

impl Kernel {
    fn read_lane(&self, index: usize) -> LaneShared {
        // What is settled first: its time was written before it, and what was sent is no less.
        let settled = self
            .lanes
            .word(index, std::mem::offset_of!(LaneShared, settled));
        let settled = settled.load(std::sync::atomic::Ordering::Acquire);
        LaneShared {
            settled,
            ..self.lanes.read(index)
        }
    }

    fn sum_counters(&self, index: usize) -> PyResult<Counters> {
        let per_cpu = self
            .counters
            .lookup_percpu(&key(index), MapFlags::ANY)
            .map_err(os_error)?;
        let cpus = per_cpu.unwrap_or_default();
        let cpus: PyResult<Vec<_>> = cpus.iter().map(|cpu| pod("counters", cpu)).collect();
        Ok(counters::sum(cpus?))
    }
}

fn clear_per_cpu(map: &MapHandle, index: usize) -> PyResult<()> {
    let key = key(index);
    let per_cpu = map.lookup_percpu(&key, MapFlags::ANY);
    let mut cpus = per_cpu.map_err(os_error)?.unwrap_or_default();
    cpus.iter_mut().for_each(|cpu| cpu.fill(0));
    map.update_percpu(&key, &cpus, MapFlags::ANY)
        .map_err(os_error)
}

/// Life, direction, packets sent to the engine and settled by it.
type UnderWay = (u32, usize, u64, u64);

/// The active slot, and the fallback's where there is a lease.
fn named_slots(binding: &layout::Binding) -> impl Iterator<Item = u32> {
    let lease = bindings::lease_of(binding);
    let after = (lease.expires_ns != 0).then(|| Word::unpack(lease.fallback).slot);
    std::iter::once(Word::unpack(binding.active).slot).chain(after)
}

/// (packets, bytes) by name.
pub(crate) fn tallies<'py>(py: Python<'py>, counters: &Counters) -> PyResult<Bound<'py, PyDict>> {
    let tallies = PyDict::new(py);
    for (name, tally) in [
        ("passed", counters.passed),
        ("dropped_rule", counters.dropped_rule),
        ("dropped_default", counters.dropped_default),
        ("dropped_profile", counters.dropped_profile),
        ("dropped_fragment", counters.dropped_fragment),
        ("dropped_engine", counters.dropped_engine),
        ("too_big", counters.too_big),
        ("detoured", counters.detoured),
        ("bypassed", counters.bypassed),
        ("malformed", counters.malformed),
    ] {
        tallies.set_item(name, (tally.packets, tally.bytes))?;
    }
    Ok(tallies)
}

pub(crate) fn shared<T: Pod>(pins: &Pins, name: &str, len: usize) -> PyResult<Shared<T>> {
    let pin = pins.map(name);
    Shared::open(&pin, len).map_err(|error| cannot_open(&pin, error))
}

pub(crate) fn handle(pins: &Pins, name: &str) -> PyResult<MapHandle> {
    let pin = pins.map(name);
    MapHandle::from_pinned_path(&pin).map_err(|error| cannot_open(&pin, error))
}

pub(crate) fn key(index: usize) -> [u8; 4] {
    u32::try_from(index)
        .expect("lane_index is in range")
        .to_ne_bytes()
}

pub(crate) fn cannot_open(pin: &Path, error: impl Display) -> PyErr {
    PyOSError::new_err(format!("cannot open {}: {error}", pin.display()))
}

pub(crate) fn os_error(error: libbpf_rs::Error) -> PyErr {
    PyOSError::new_err(error.to_string())
}

pub(crate) fn pod<T: Pod>(what: &str, bytes: &[u8]) -> PyResult<T> {
    if bytes.len() == size_of::<T>() {
        Ok(pod_read_unaligned(bytes))
    } else {
        let (have, want) = (bytes.len(), size_of::<T>());
        Err(PyValueError::new_err(format!(
            "{what} is {have} bytes, must be {want}"
        )))
    }
}

fn parse_hook(hook: &str) -> PyResult<Hook> {
    match hook {
        "ingress" => Ok(Hook::Ingress),
        "egress" => Ok(Hook::Egress),
        other => Err(PyValueError::new_err(format!(
            "no hook {other:?}; ingress or egress"
        ))),
    }
}

fn check_attachment(attachment: usize) -> PyResult<()> {
    check_below("attachment", attachment, layout::MAX_ATTACHMENTS)
}

fn check_slot(slot: usize) -> PyResult<()> {
    check_below("slot", slot, layout::MAX_SLOTS)
}

fn check_below(what: &str, value: usize, bound: usize) -> PyResult<()> {
    if value < bound {
        Ok(())
    } else {
        Err(PyIndexError::new_err(format!(
            "{what} {value} is not below {bound}"
        )))
    }
}

fn lane_index(attachment: usize, direction: usize) -> PyResult<usize> {
    check_attachment(attachment)?;
    check_below("direction", direction, 2)?;
    Ok(attachment * 2 + direction)
}
