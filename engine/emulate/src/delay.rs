//! How long a segment stays on the link.
//!
//! With order kept, the delay process of ARCHITECTURE.md, "Jitter that keeps
//! order": exact marginal at any packet rate, no packet overtakes. With order
//! free, independent draws, correlated by a Gaussian copula on request.

use libm::{cos, erfc, exp, log, pow, sqrt};

use crate::rng::{self, Stream};
use netpersona_layout::DelayPoint;

#[derive(Debug, Clone, PartialEq)]
pub enum DelayModel {
    /// ns
    Constant(u64),
    Jitter {
        quantiles: Quantiles,
        /// Order kept: longest gap between packets that loosens their delays; 0: no cap.
        coherence_ns: u64,
        /// Order free: lag-1 correlation of the Gaussian copula.
        correlation: f64,
    },
}

/// A delay distribution F, in ns, given by points of its quantile function.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantiles {
    knots: Box<[Knot]>,
    /// `None`: F is linear between knots. Else ln F is, which keeps a log-concave
    /// F log-concave where its density rises, and below the first inner knot F
    /// is a power of the distance from the minimum: this exponent.
    power: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Knot {
    p: f64,
    /// ln p
    log: f64,
    x: f64,
}

impl Quantiles {
    /// `points` ascend in p from 0 to 2^32 - 1 and do not descend in x.
    pub fn new(base_ns: u64, span_ns: u64, points: &[DelayPoint]) -> Self {
        let share = |fixed: u32| f64::from(fixed) / f64::from(u32::MAX);
        let knot = |point: &DelayPoint| Knot {
            p: share(point.p),
            log: log(share(point.p)),
            x: base_ns as f64 + span_ns as f64 * share(point.x),
        };
        let knots: Box<[Knot]> = points.iter().map(knot).collect();
        let power = if linear_is_log_concave(&knots) {
            None
        } else {
            Some(power_below(&knots))
        };
        Self { knots, power }
    }

    /// Least delay, ns.
    pub fn min(&self) -> f64 {
        self.knots[0].x
    }

    /// F at `x` ns.
    pub fn cdf(&self, x: f64) -> f64 {
        let above = self.knots.partition_point(|knot| knot.x <= x);
        if above == 0 {
            return 0.0;
        }
        if above == self.knots.len() {
            return 1.0;
        }
        let (low, high) = (self.knots[above - 1], self.knots[above]);
        let share = (x - low.x) / (high.x - low.x);
        match self.power {
            None => low.p + (high.p - low.p) * share,
            Some(power) if low.p == 0.0 => high.p * pow(share, power),
            Some(_) => exp(low.log + share * (high.log - low.log)),
        }
    }

    /// The delay in ns at probability `p`, in the open interval (0, 1).
    pub fn quantile(&self, p: f64) -> f64 {
        let above = self
            .knots
            .partition_point(|knot| knot.p < p)
            .clamp(1, self.knots.len() - 1);
        let (low, high) = (self.knots[above - 1], self.knots[above]);
        let share = match self.power {
            None => (p - low.p) / (high.p - low.p),
            Some(power) if low.p == 0.0 => pow(p / high.p, 1.0 / power),
            Some(_) => (log(p) - low.log) / (high.log - low.log),
        };
        low.x + (high.x - low.x) * share.clamp(0.0, 1.0)
    }

    /// A solution x in `low..` of F(x) / F(x + `gap`) = `u`, to half a
    /// nanosecond; `low` when the ratio is at least `u` there already.
    ///
    /// Where F is not log-concave there may be several: any of them is at least `low`.
    fn solve(&self, low: f64, gap: f64, u: f64) -> f64 {
        let reached = |x: f64| self.cdf(x) >= u * self.cdf(x + gap);
        if low > self.min() && reached(low) {
            return low;
        }
        let (mut low, mut high) = (low.max(self.min()), self.quantile(u));
        if self.cdf(high + gap) >= 1.0 {
            return high.max(low);
        }
        while high - low > 0.5 {
            let middle = low + (high - low) / 2.0;
            if reached(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        high.max(low)
    }
}

/// Whether F, linear between `knots`, is log-concave: f / F must not rise.
/// It falls inside a segment, so only knots can break it.
fn linear_is_log_concave(knots: &[Knot]) -> bool {
    // Rounding of the points to 32 bits.
    const SLACK: f64 = 1.0 + 1e-4;
    let density = |pair: &[Knot]| (pair[1].p - pair[0].p) / (pair[1].x - pair[0].x);
    knots
        .windows(3)
        .all(|three| density(&three[1..]) <= density(&three[..2]) * SLACK)
}

/// The exponent of the lowest segment: at least that of a linear one, and its
/// f / F no lower than the next segment's.
fn power_below(knots: &[Knot]) -> f64 {
    let [first, second, third] = [knots[0], knots[1], knots[2]];
    let slope = (third.log - second.log) / (third.x - second.x);
    let power = slope * (second.x - first.x);
    if power.is_finite() {
        power.clamp(1.0, 1e3)
    } else {
        1.0
    }
}

/// The delay process of one direction with order kept.
#[derive(Debug, Clone, Default)]
pub struct InOrder {
    /// Entry time and delay of the packet before, ns.
    previous: Option<(u64, f64)>,
}

impl InOrder {
    /// Delay in ns of what enters the delay line at `now`; `u` is uniform in (0, 1).
    /// Never less than the previous delay by more than the time since.
    pub fn next(&mut self, model: &DelayModel, now: u64, u: f64) -> u64 {
        let (quantiles, coherence_ns) = match model {
            DelayModel::Constant(ns) => return *ns,
            DelayModel::Jitter {
                quantiles,
                coherence_ns,
                ..
            } => (quantiles, coherence_ns),
        };
        let delay = match self.previous {
            None => quantiles.quantile(u),
            Some((then, delay)) => {
                let gap = coherent(now.saturating_sub(then), *coherence_ns);
                if gap == 0 {
                    delay
                } else {
                    let gap = gap as f64;
                    quantiles.solve(delay - gap, gap, u)
                }
            }
        };
        self.previous = Some((now, delay));
        delay.round() as u64
    }
}

fn coherent(gap: u64, coherence_ns: u64) -> u64 {
    if coherence_ns == 0 {
        gap
    } else {
        gap.min(coherence_ns)
    }
}

/// Draws with order free: AR(1) of a standard normal, mapped to the delays.
#[derive(Debug, Clone, Default)]
pub struct Independent {
    normal: Option<f64>,
}

impl Independent {
    /// Delay in ns of the next segment.
    pub fn next(&mut self, model: &DelayModel, stream: &mut Stream) -> u64 {
        let (quantiles, correlation) = match model {
            DelayModel::Constant(ns) => return *ns,
            DelayModel::Jitter {
                quantiles,
                correlation,
                ..
            } => (quantiles, correlation),
        };
        let u = if *correlation == 0.0 {
            stream.uniform()
        } else {
            self.correlated(*correlation, stream)
        };
        quantiles.quantile(u).round() as u64
    }

    fn correlated(&mut self, rho: f64, stream: &mut Stream) -> f64 {
        let fresh = normal(stream);
        let z = match self.normal {
            None => fresh,
            Some(previous) => rho * previous + sqrt(1.0 - rho * rho) * fresh,
        };
        self.normal = Some(z);
        (erfc(-z * std::f64::consts::FRAC_1_SQRT_2) / 2.0).clamp(f64::EPSILON, 1.0 - f64::EPSILON)
    }
}

/// Standard normal. Source: Box and Muller, 1958.
fn normal(stream: &mut Stream) -> f64 {
    let radius = sqrt(-2.0 * log(stream.uniform()));
    radius * cos(std::f64::consts::TAU * stream.uniform())
}

impl DelayModel {
    pub fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }
}

/// Uniform number for segment `index` of a packet whose one draw was `draw`:
/// independent of how the packet is cut later.
pub fn segment_uniform(draw: u64, index: u32) -> f64 {
    rng::unit(rng::mix(draw, index.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn quantiles(points: &[(f64, f64)]) -> Quantiles {
        let scale = f64::from(u32::MAX);
        let point = |(p, x): &(f64, f64)| DelayPoint {
            p: (p * scale) as u32,
            x: (x * scale) as u32,
        };
        Quantiles::new(
            10 * MS,
            20 * MS,
            &points.iter().map(point).collect::<Vec<_>>(),
        )
    }

    fn jitter(points: &[(f64, f64)]) -> DelayModel {
        DelayModel::Jitter {
            quantiles: quantiles(points),
            coherence_ns: 0,
            correlation: 0.0,
        }
    }

    /// Rising, then falling density, with few points.
    const HUMP: [(f64, f64); 6] = [
        (0.0, 0.0),
        (0.1, 0.4),
        (0.4, 0.55),
        (0.6, 0.62),
        (0.9, 0.75),
        (1.0, 1.0),
    ];

    #[test]
    fn cdf_and_quantile_are_inverse_and_meet_the_points() {
        let rising = [(0.0, 0.0), (0.2, 0.5), (1.0, 1.0)];
        for points in [&HUMP[..], &rising, &[(0.0, 0.0), (1.0, 1.0)]] {
            let f = quantiles(points);
            for (p, x) in points {
                let delay = (10.0 + 20.0 * x) * MS as f64;
                assert!((f.cdf(delay) - p).abs() < 1e-6 || *p == 0.0);
            }
            for step in 1..1000 {
                let p = f64::from(step) / 1000.0;
                assert!((f.cdf(f.quantile(p)) - p).abs() < 1e-9, "{p}");
            }
        }
    }

    #[test]
    fn the_solution_solves_and_is_not_below_the_delay_before() {
        for points in [&HUMP[..], &[(0.0, 0.0), (1.0, 1.0)]] {
            let f = quantiles(points);
            for (low, gap, u) in [(5.0, 1.0, 0.3), (12.0, 0.1, 0.9), (18.0, 3.0, 0.7)] {
                let (low, gap) = (low * MS as f64, gap * MS as f64);
                let x = f.solve(low, gap, u);
                let ratio = f.cdf(x) / f.cdf(x + gap);
                assert!(x >= low);
                assert!(
                    (ratio - u).abs() < 1e-4 || (x == low && ratio > u),
                    "{ratio} {u}"
                );
            }
        }
    }

    #[test]
    fn no_delay_is_below_the_least_one() {
        let model = jitter(&[(0.0, 0.0), (1.0, 1.0)]);
        let mut process = InOrder {
            previous: Some((0, 10.0 * MS as f64)),
        };
        assert!(process.next(&model, MS, 1e-12) >= 10 * MS);
    }

    #[test]
    fn packets_of_one_instant_share_a_delay() {
        let model = jitter(&HUMP);
        let mut process = InOrder::default();
        let first = process.next(&model, 7, 0.3);
        assert!([0.01, 0.5, 0.99]
            .iter()
            .all(|u| process.next(&model, 7, *u) == first));
    }

    /// Where the density rises, F is log-concave only if ln F is what is
    /// linear between points: else dense packets settle far too low.
    #[test]
    fn dense_packets_keep_the_mean_of_a_rising_density() {
        let (model, mut stream, mut process) =
            (jitter(&HUMP), Stream::new(5, 0), InOrder::default());
        let packets = 100_000;
        let mut mean = |model: &DelayModel| {
            let delays = (0..packets).map(|at| process.next(model, at * MS / 10, stream.uniform()));
            delays.sum::<u64>() as f64 / packets as f64
        };
        let dense = mean(&model);
        let asked = (1..1000)
            .map(|step| quantiles(&HUMP).quantile(f64::from(step) / 1000.0))
            .sum::<f64>()
            / 999.0;
        assert!((dense / asked - 1.0).abs() < 0.01, "{dense} {asked}");
    }

    #[test]
    fn a_table_of_one_delay_is_constant() {
        let constant = Quantiles::new(
            MS,
            0,
            &[DelayPoint { p: 0, x: 0 }, DelayPoint { p: u32::MAX, x: 0 }],
        );
        assert_eq!(constant.quantile(0.5), MS as f64);
        assert_eq!((constant.cdf(0.0), constant.cdf(MS as f64)), (0.0, 1.0));
        assert_eq!(constant.solve(0.0, 1.0, 0.5), MS as f64);
    }
}
