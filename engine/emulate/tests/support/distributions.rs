//! Delay tables as the compiler of personas makes them, beside their exact F.

use libm::{cos, pow, sqrt};
use netpersona_layout::{Delay, DelayPoint, DELAY_POINTS};

use super::statistics::normal_cdf;

type Cdf = Box<dyn Fn(f64) -> f64>;

pub struct Distribution {
    pub name: &'static str,
    pub low: f64,
    pub high: f64,
    pub mean: f64,
    pub deviation: f64,
    pub cdf: Cdf,
}

const MS: f64 = 1e6;

/// 10 to 30 ms.
pub fn uniform() -> Distribution {
    let (low, high) = (10.0 * MS, 30.0 * MS);
    Distribution {
        name: "uniform",
        low,
        high,
        mean: 20.0 * MS,
        deviation: 20.0 * MS / sqrt(12.0),
        cdf: Box::new(move |x| ((x - low) / (high - low)).clamp(0.0, 1.0)),
    }
}

/// 100 ms ± 10 ms, truncated at five deviations.
pub fn normal() -> Distribution {
    let (mean, deviation) = (100.0 * MS, 10.0 * MS);
    Distribution {
        name: "normal",
        low: 50.0 * MS,
        high: 150.0 * MS,
        mean,
        deviation,
        cdf: Box::new(move |x| normal_cdf((x - mean) / deviation)),
    }
}

/// Minimum 20 ms, shape 5, truncated at 200 ms.
pub fn pareto() -> Distribution {
    let (low, high, shape) = (20.0 * MS, 200.0 * MS, 5.0);
    let mean = shape * low / (shape - 1.0);
    let variance = low * low * shape / ((shape - 1.0) * (shape - 1.0) * (shape - 2.0));
    let whole = 1.0 - pow(low / high, shape);
    Distribution {
        name: "pareto",
        low,
        high,
        mean,
        deviation: sqrt(variance),
        cdf: Box::new(move |x| ((1.0 - pow(low / x.max(low), shape)) / whole).min(1.0)),
    }
}

impl Distribution {
    /// Points denser towards both tails: with equal steps the last one would
    /// take in a whole tail and inflate the deviation.
    pub fn write(&self, delay: &mut Delay) {
        delay.base_ns = self.low as u64;
        delay.span_ns = (self.high - self.low) as u64;
        delay.points = DELAY_POINTS as u32;
        let step = std::f64::consts::PI / (DELAY_POINTS - 1) as f64;
        for (index, point) in delay.table.iter_mut().enumerate() {
            let p = (1.0 - cos(step * index as f64)) / 2.0;
            let share = (self.quantile(p) - self.low) / (self.high - self.low);
            let scale = f64::from(u32::MAX);
            *point = DelayPoint {
                p: (p * scale) as u32,
                x: (share * scale) as u32,
            };
        }
    }

    fn quantile(&self, p: f64) -> f64 {
        let (mut low, mut high) = (self.low, self.high);
        if p >= 1.0 {
            return high;
        }
        while high - low > 0.1 {
            let middle = (low + high) / 2.0;
            if (self.cdf)(middle) < p {
                low = middle;
            } else {
                high = middle;
            }
        }
        low
    }
}
