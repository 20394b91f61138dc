//! The tests of significance, all at 0.001.

use libm::{erfc, sqrt};

/// Two-sided normal quantile at 0.001.
pub const Z: f64 = 3.2905;

pub fn normal_cdf(z: f64) -> f64 {
    erfc(-z * std::f64::consts::FRAC_1_SQRT_2) / 2.0
}

pub fn mean(samples: &[f64]) -> f64 {
    samples.iter().sum::<f64>() / samples.len() as f64
}

pub fn deviation(samples: &[f64]) -> f64 {
    let mean = mean(samples);
    sqrt(samples.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / samples.len() as f64)
}

/// Lag-1 autocorrelation.
pub fn autocorrelation(samples: &[f64]) -> f64 {
    let mean = mean(samples);
    let products = samples
        .windows(2)
        .map(|pair| (pair[0] - mean) * (pair[1] - mean));
    products.sum::<f64>() / samples.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>()
}

/// Asserts that independent `samples` may come from `cdf` (Kolmogorov–Smirnov,
/// asymptotic critical value 1.949 / √n at 0.001).
pub fn assert_distribution(name: &str, mut samples: Vec<f64>, cdf: impl Fn(f64) -> f64) {
    samples.sort_by(f64::total_cmp);
    let n = samples.len() as f64;
    let distance = samples
        .iter()
        .enumerate()
        .fold(0.0f64, |worst, (rank, sample)| {
            let expected = cdf(*sample);
            worst
                .max(expected - rank as f64 / n)
                .max((rank + 1) as f64 / n - expected)
        });
    let critical = 1.949 / sqrt(n);
    assert!(
        distance < critical,
        "{name}: KS distance {distance:.5}, critical {critical:.5}"
    );
}

/// Asserts that `counts` fit `probabilities`, which add up to 1 (chi-square;
/// critical value by Wilson and Hilferty, 1931). Cells expecting fewer than five
/// are taken together with the next.
pub fn assert_counts(name: &str, counts: &[u64], probabilities: &[f64]) {
    let total = counts.iter().sum::<u64>() as f64;
    let mut cells = vec![(0.0, 0.0)];
    for (count, probability) in counts.iter().zip(probabilities) {
        if cells.last().is_some_and(|(_, expected)| *expected >= 5.0) {
            cells.push((0.0, 0.0));
        }
        let cell = cells.last_mut().expect("starts with one");
        *cell = (cell.0 + *count as f64, cell.1 + total * probability);
    }
    let square = |(seen, expected): &(f64, f64)| (seen - expected) * (seen - expected) / expected;
    let statistic = cells.iter().map(square).sum::<f64>();
    let critical = chi_square_critical((cells.len() - 1) as f64);
    assert!(
        statistic < critical,
        "{name}: chi-square {statistic:.2}, critical {critical:.2}"
    );
}

fn chi_square_critical(freedom: f64) -> f64 {
    const Z_ONE_SIDED: f64 = 3.0902;
    let spread = 2.0 / (9.0 * freedom);
    freedom * (1.0 - spread + Z_ONE_SIDED * sqrt(spread)).powi(3)
}

/// Asserts that `events` of `trials` fit a probability; neighbours are
/// correlated by `correlation`, which widens the interval.
pub fn assert_rate(name: &str, events: u64, trials: u64, probability: f64, correlation: f64) {
    let rate = events as f64 / trials as f64;
    let variance = probability * (1.0 - probability) / trials as f64;
    let margin = Z * sqrt(variance * (1.0 + correlation) / (1.0 - correlation));
    let error = (rate - probability).abs();
    assert!(
        error < margin,
        "{name}: {rate:.5}, asked {probability:.5} ± {margin:.5}"
    );
}

/// Counts of runs of `true` by length: index 0 is length 1, the last one all longer.
pub fn run_lengths(events: &[bool], longest: usize) -> Vec<u64> {
    let mut counts = vec![0; longest + 1];
    for run in events.split(|event| !event).filter(|run| !run.is_empty()) {
        counts[(run.len() - 1).min(longest)] += 1;
    }
    counts
}

/// Probabilities of run lengths 1, 2, …, and all longer, when a run goes on
/// with probability `again`.
pub fn geometric(again: f64, longest: usize) -> Vec<f64> {
    let exact = (0..longest as i32).map(|extra| again.powi(extra) * (1.0 - again));
    exact.chain([again.powi(longest as i32)]).collect()
}
