//! What moved at each attachment since it was looked at last.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use bytemuck::Zeroable;
use libbpf_rs::{MapCore, MapFlags, MapHandle};
use netpersona_layout::movement::{bins, Bin, Counted};
use netpersona_layout::numbers::Numbers;
use netpersona_layout::pins::Pins;
use netpersona_layout::shm::{now_ns, Shared};
use netpersona_layout::{
    counters, EngineStats, LaneDelays, LaneStats, RoundTrips, TcpCounts, EGRESS, INGRESS,
    MAX_ATTACHMENTS,
};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::kernel::{cannot_open, handle, key, os_error, pod, shared, tallies};
use crate::records::record;

const LANES: usize = MAX_ATTACHMENTS * 2;

/// Life of an attachment, and what was counted of its directions when it was looked at.
#[derive(Debug)]
struct Known {
    life: u32,
    sides: [Counted; 2],
}

/// What moved at an attachment.
struct Moved {
    ifindex: u32,
    attachment: usize,
    life: u32,
    sides: [Counted; 2],
}

#[derive(Debug, Default)]
struct Before {
    /// Of the engine whose counts these are.
    started_ns: u64,
    at_ns: u64,
    known: HashMap<usize, Known>,
}

/// Reads counts once for all attachments; where nothing moved it costs two system calls.
#[pyclass(frozen)]
#[derive(Debug)]
pub struct Meter {
    numbers: Numbers,
    counters: MapHandle,
    tcp_counts: MapHandle,
    round_trips: Shared<RoundTrips>,
    lane_stats: Shared<LaneStats>,
    lane_delays: Shared<LaneDelays>,
    engine_stats: Shared<EngineStats>,
    before: Mutex<Before>,
}

#[pymethods]
impl Meter {
    #[new]
    fn new(bpffs: PathBuf) -> PyResult<Self> {
        let pins = Pins::new(&bpffs);
        Ok(Self {
            numbers: Numbers::open(&pins)
                .map_err(|error| cannot_open(&pins.map("bindings"), error))?,
            counters: handle(&pins, "counters")?,
            tcp_counts: handle(&pins, "tcp_counts")?,
            round_trips: shared(&pins, "round_trips", LANES)?,
            lane_stats: shared(&pins, "lane_stats", LANES)?,
            lane_delays: shared(&pins, "lane_delays", LANES)?,
            engine_stats: shared(&pins, "engine_stats", 1)?,
            before: Mutex::default(),
        })
    }

    /// Nanoseconds since the last call, and (ifindex, attachment, life, egress, ingress) of attachments
    /// that packets were counted at since. One that is met for the first time is not among them.
    fn read<'py>(&self, py: Python<'py>) -> PyResult<(u64, Vec<Record<'py>>)> {
        let (interval_ns, moved) = py.detach(|| self.moved())?;
        let records: PyResult<Vec<_>> = moved.iter().map(|one| as_record(py, one)).collect();
        Ok((interval_ns, records?))
    }
}

type Record<'py> = (u32, usize, u32, Bound<'py, PyDict>, Bound<'py, PyDict>);

impl Meter {
    fn moved(&self) -> PyResult<(u64, Vec<Moved>)> {
        let mut before = self.before.lock().unwrap_or_else(PoisonError::into_inner);
        let started_ns = self.engine_stats.read(0).started_ns;
        if before.started_ns != started_ns {
            before.known.clear(); // its counts began anew
        }
        let now = now_ns();
        let mut known = HashMap::with_capacity(before.known.len());
        let mut moved = Vec::new();
        for (ifindex, attachment, _) in self.numbers.attached() {
            let life = self.numbers.life(attachment);
            let past = before
                .known
                .remove(&attachment)
                .filter(|past| past.life == life);
            let sides = [
                self.counted(attachment * 2 + EGRESS, past.as_ref().map(|p| &p.sides[0]))?,
                self.counted(attachment * 2 + INGRESS, past.as_ref().map(|p| &p.sides[1]))?,
            ];
            if let Some(sides) = past.and_then(|past| differences(&sides, &past.sides)) {
                moved.push(Moved {
                    ifindex,
                    attachment,
                    life,
                    sides,
                });
            }
            known.insert(attachment, Known { life, sides });
        }
        let interval_ns = now.saturating_sub(std::mem::replace(&mut before.at_ns, now));
        (before.known, before.started_ns) = (known, started_ns);
        Ok((interval_ns, moved))
    }

    /// Histograms are read where they moved since `past`, so that pages of idle lanes are not touched.
    fn counted(&self, lane: usize, past: Option<&Counted>) -> PyResult<Counted> {
        let mut now = Counted {
            counters: counters::sum(self.per_cpu(&self.counters, lane)?),
            tcp: TcpCounts::zeroed(),
            lane: self.lane_stats.read(lane),
            round_trips: None,
            delays: None,
        };
        match past {
            Some(past) if !now.moved_since(past) => Ok(past.clone()),
            _ => {
                now.tcp = sum_tcp(self.per_cpu(&self.tcp_counts, lane)?);
                if now.tcp.round_trips > 0 {
                    now.round_trips = Some(Box::new(self.round_trips.read(lane)));
                }
                if now.lane.emitted > 0 {
                    now.delays = Some(Box::new(self.lane_delays.read(lane)));
                }
                Ok(now)
            }
        }
    }

    fn per_cpu<T: bytemuck::Pod>(&self, map: &MapHandle, lane: usize) -> PyResult<Vec<T>> {
        let per_cpu = map
            .lookup_percpu(&key(lane), MapFlags::ANY)
            .map_err(os_error)?;
        let cpus = per_cpu.unwrap_or_default();
        cpus.iter().map(|cpu| pod("counts", cpu)).collect()
    }
}

/// Of both directions, if any packet was counted and nothing was set back.
fn differences(now: &[Counted; 2], before: &[Counted; 2]) -> Option<[Counted; 2]> {
    let moved = now
        .iter()
        .zip(before)
        .any(|(now, before)| now.moved_since(before));
    let sides = [now[0].since(&before[0])?, now[1].since(&before[1])?];
    moved.then_some(sides)
}

fn sum_tcp(cpus: Vec<TcpCounts>) -> TcpCounts {
    cpus.iter()
        .fold(TcpCounts::zeroed(), |total, cpu| TcpCounts {
            segments: total.segments + cpu.segments,
            retransmitted: total.retransmitted + cpu.retransmitted,
            reordered: total.reordered + cpu.reordered,
            round_trips: total.round_trips + cpu.round_trips,
        })
}

fn as_record<'py>(py: Python<'py>, moved: &Moved) -> PyResult<Record<'py>> {
    let [egress, ingress] = &moved.sides;
    Ok((
        moved.ifindex,
        moved.attachment,
        moved.life,
        side(py, egress)?,
        side(py, ingress)?,
    ))
}

fn side<'py>(py: Python<'py>, counted: &Counted) -> PyResult<Bound<'py, PyDict>> {
    let side = record!(py, counted.tcp, segments, retransmitted, reordered);
    side.set_item("tallies", tallies(py, &counted.counters)?)?;
    let lane = counted.lane;
    side.set_item(
        "lane",
        record!(
            py,
            lane,
            emitted,
            lost,
            dropped_queue,
            dropped_line,
            dropped_ring,
            dropped_emit,
            flushed,
            answered,
            held
        ),
    )?;
    let trips = counted.round_trips.as_deref();
    let delays = counted.delays.as_deref();
    side.set_item("variations", trips.map_or(0, |trips| trips.variations))?;
    side.set_item("variation_us", trips.map_or(0, |trips| trips.variation_us))?;
    let found: Vec<Bin> = trips.map_or(Vec::new(), |trips| bins(&trips.histogram).collect());
    side.set_item("round_trip_us", found)?;
    side.set_item("left_bytes", delays.map_or(0, |delays| delays.bytes))?;
    side.set_item("held_ns", delays.map_or(0, |delays| delays.held_ns))?;
    let found: Vec<Bin> = delays.map_or(Vec::new(), |delays| bins(&delays.histogram).collect());
    side.set_item("held_us", found)?;
    Ok(side)
}
