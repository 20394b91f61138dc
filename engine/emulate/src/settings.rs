//! One direction of a slot, decoded and validated once.

use std::fmt;

use crate::bucket::Rate;
use crate::chance::Chance;
use crate::delay::{DelayModel, Quantiles};
use crate::loss::{FourState, GilbertElliott, LossModel};
use crate::packet::Class;
use netpersona_layout as layout;

/// Longest delay a link accepts.
pub const MAX_DELAY_NS: u64 = 3_600_000_000_000;

/// What happens to packets under way when a persona takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InFlight {
    /// They keep their departure times; what waits for the bottleneck is
    /// served at the new rate.
    Keep,
    /// They leave at once.
    Drain,
    /// They are dropped.
    Flush,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSettings {
    /// Segments that may wait.
    pub length: u32,
    /// 0 to 7, 7 served first.
    pub priority: u8,
}

/// The conditions of one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct LinkSettings {
    /// This direction has conditions; without, packets only keep their order.
    pub active: bool,
    pub direction: usize,
    /// 0: the lane picks one.
    pub seed: u64,
    pub in_flight: InFlight,
    pub order_free: bool,
    pub rate: Option<Rate>,
    /// Segments that the delay line may hold.
    pub delay_limit: u64,
    pub duplicate: Chance,
    pub corrupt: Chance,
    pub reorder: Chance,
    pub loss: LossModel,
    pub delay: DelayModel,
    pub default_queue_length: u32,
    pub queues: [Option<QueueSettings>; layout::MAX_QUEUES],
}

/// Why a slot's conditions cannot be used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SettingsError {
    Direction(usize),
    InFlight(u32),
    Probability { field: &'static str, value: f64 },
    TransitionsAboveOne { state: u8, sum: f64 },
    LossModel(u32),
    DelayTooLong(u64),
    TableLength(u32),
    TableOrder { point: usize },
    TableEnds,
    QueuePriority { queue: usize, priority: u8 },
    NoQueueLength,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direction(n) => write!(f, "direction {n}: must be 0 (egress) or 1 (ingress)"),
            Self::InFlight(n) => write!(f, "in_flight {n}: must be 0, 1 or 2"),
            Self::Probability { field, value } => write!(f, "{field} {value}: must be 0 to 1"),
            Self::TransitionsAboveOne { state, sum } => {
                write!(
                    f,
                    "loss: transitions out of state {state} add up to {sum}; at most 1"
                )
            }
            Self::LossModel(n) => write!(f, "loss.model {n}: unknown, must be 0 to 3"),
            Self::DelayTooLong(ns) => write!(f, "delay of {ns} ns: at most {MAX_DELAY_NS} ns"),
            Self::TableLength(n) => {
                write!(
                    f,
                    "delay.points {n}: must be 0 or 2 to {}",
                    layout::DELAY_POINTS
                )
            }
            Self::TableOrder { point } => {
                write!(
                    f,
                    "delay.table[{point}]: p must ascend and x must not descend"
                )
            }
            Self::TableEnds => write!(f, "delay.table: must start at p 0 and end at p 2^32 - 1"),
            Self::QueuePriority { queue, priority } => {
                write!(f, "queue[{queue}].priority {priority}: must be 0 to 7")
            }
            Self::NoQueueLength => write!(f, "default_queue_length 0: with a rate, at least 1"),
        }
    }
}

impl std::error::Error for SettingsError {}

impl LinkSettings {
    /// No conditions: packets keep their order behind what is held.
    pub fn pass() -> Self {
        Self {
            active: false,
            direction: layout::EGRESS,
            seed: 0,
            in_flight: InFlight::Keep,
            order_free: false,
            rate: None,
            delay_limit: u64::MAX,
            duplicate: Chance::NEVER,
            corrupt: Chance::NEVER,
            reorder: Chance::NEVER,
            loss: LossModel::None,
            delay: DelayModel::Constant(0),
            default_queue_length: u32::MAX,
            queues: [None; layout::MAX_QUEUES],
        }
    }

    /// Decodes one direction of `conditions`; one without `LINK_ACTIVE` passes.
    ///
    /// # Errors
    /// Names the first field that no persona compiles to. Never panics.
    pub fn new(conditions: &layout::Conditions, direction: usize) -> Result<Self, SettingsError> {
        let link = conditions
            .link
            .get(direction)
            .ok_or(SettingsError::Direction(direction))?;
        let base = Self {
            direction,
            seed: conditions.seed,
            in_flight: in_flight(conditions.in_flight)?,
            ..Self::pass()
        };
        if link.flags & layout::LINK_ACTIVE == 0 {
            return Ok(base);
        }
        let rate = Rate {
            bits_per_second: link.rate_bps,
            burst_bytes: link.burst_bytes,
        };
        let rate = (link.rate_bps > 0).then_some(rate);
        if rate.is_some() && link.default_queue_length == 0 {
            return Err(SettingsError::NoQueueLength);
        }
        Ok(Self {
            active: true,
            order_free: link.flags & layout::LINK_ORDER_FREE != 0,
            rate,
            delay_limit: if link.delay_limit == 0 {
                u64::MAX
            } else {
                link.delay_limit
            },
            duplicate: chance("duplicate", &link.duplicate)?,
            corrupt: chance("corrupt", &link.corrupt)?,
            reorder: chance("reorder", &link.reorder)?,
            loss: loss(&link.loss)?,
            delay: delay(&link.delay)?,
            default_queue_length: link.default_queue_length,
            queues: queues(&conditions.queue)?,
            ..base
        })
    }

    /// Least time, ns, that a packet stays on the delay line.
    pub fn least_wait(&self) -> u64 {
        match &self.delay {
            _ if !self.reorder.is_never() => 0,
            DelayModel::Constant(delay) => *delay,
            DelayModel::Jitter { quantiles, .. } => quantiles.min() as u64,
        }
    }

    /// The queue that a class waits in: index, where `MAX_QUEUES` is the
    /// default one, and its settings.
    pub fn queue(&self, class: Class) -> (usize, QueueSettings) {
        let id = usize::from(class.queue);
        match self.queues.get(id).copied().flatten() {
            Some(settings) => (id, settings),
            None => {
                let length = self.default_queue_length;
                (
                    layout::MAX_QUEUES,
                    QueueSettings {
                        length,
                        priority: class.priority,
                    },
                )
            }
        }
    }
}

fn in_flight(code: u32) -> Result<InFlight, SettingsError> {
    match code {
        layout::IN_FLIGHT_KEEP => Ok(InFlight::Keep),
        layout::IN_FLIGHT_DRAIN => Ok(InFlight::Drain),
        layout::IN_FLIGHT_FLUSH => Ok(InFlight::Flush),
        other => Err(SettingsError::InFlight(other)),
    }
}

fn probability(field: &'static str, value: f64) -> Result<f64, SettingsError> {
    if (0.0..=1.0).contains(&value) {
        Ok(value)
    } else {
        Err(SettingsError::Probability { field, value })
    }
}

fn chance(field: &'static str, raw: &layout::Chance) -> Result<Chance, SettingsError> {
    Ok(Chance {
        probability: probability(field, raw.probability)?,
        correlation: probability(field, raw.correlation)?,
    })
}

fn loss(raw: &layout::Loss) -> Result<LossModel, SettingsError> {
    let p = |index: usize| probability("loss.p", raw.p[index]);
    match raw.model {
        layout::LOSS_NONE => Ok(LossModel::None),
        layout::LOSS_BERNOULLI => Ok(LossModel::Bernoulli(Chance {
            probability: p(0)?,
            correlation: p(1)?,
        })),
        layout::LOSS_GILBERT_ELLIOTT => Ok(LossModel::GilbertElliott(GilbertElliott {
            p: p(0)?,
            r: p(1)?,
            loss_good: p(2)?,
            loss_bad: p(3)?,
        })),
        layout::LOSS_FOUR_STATE => four_state(FourState {
            p13: p(0)?,
            p31: p(1)?,
            p32: p(2)?,
            p23: p(3)?,
            p14: p(4)?,
        }),
        other => Err(SettingsError::LossModel(other)),
    }
}

fn four_state(chain: FourState) -> Result<LossModel, SettingsError> {
    // Sums of decimal fractions that add up to one may exceed it by rounding.
    const ROUNDING: f64 = 1e-9;
    for (state, sum) in [(1, chain.p13 + chain.p14), (3, chain.p31 + chain.p32)] {
        if sum > 1.0 + ROUNDING {
            return Err(SettingsError::TransitionsAboveOne { state, sum });
        }
    }
    Ok(LossModel::FourState(chain))
}

fn delay(raw: &layout::Delay) -> Result<DelayModel, SettingsError> {
    if raw.points == 0 {
        return within_bound(raw.constant_ns).map(DelayModel::Constant);
    }
    within_bound(raw.base_ns.saturating_add(raw.span_ns))?;
    let points = raw
        .table
        .get(..raw.points as usize)
        .filter(|points| points.len() >= 2);
    let points = points.ok_or(SettingsError::TableLength(raw.points))?;
    check_table(points)?;
    Ok(DelayModel::Jitter {
        quantiles: Quantiles::new(raw.base_ns, raw.span_ns, points),
        coherence_ns: raw.coherence_ns,
        correlation: probability("delay.correlation", raw.correlation)?,
    })
}

fn within_bound(delay_ns: u64) -> Result<u64, SettingsError> {
    if delay_ns <= MAX_DELAY_NS {
        Ok(delay_ns)
    } else {
        Err(SettingsError::DelayTooLong(delay_ns))
    }
}

fn check_table(points: &[layout::DelayPoint]) -> Result<(), SettingsError> {
    if points[0].p != 0 || points[points.len() - 1].p != u32::MAX {
        return Err(SettingsError::TableEnds);
    }
    match points
        .windows(2)
        .position(|pair| pair[0].p >= pair[1].p || pair[0].x > pair[1].x)
    {
        Some(before) => Err(SettingsError::TableOrder { point: before + 1 }),
        None => Ok(()),
    }
}

type Queues = [Option<QueueSettings>; layout::MAX_QUEUES];

fn queues(raw: &[layout::Queue; layout::MAX_QUEUES]) -> Result<Queues, SettingsError> {
    let mut all = [None; layout::MAX_QUEUES];
    for (queue, (settings, raw)) in all.iter_mut().zip(raw).enumerate() {
        if raw.priority > 7 {
            return Err(SettingsError::QueuePriority {
                queue,
                priority: raw.priority,
            });
        }
        let configured = QueueSettings {
            length: raw.length,
            priority: raw.priority,
        };
        *settings = (raw.length > 0).then_some(configured);
    }
    Ok(all)
}
