//! What personas ask for is what packets get: fixed seeds, significance 0.001.

mod support;

use std::rc::Rc;

use netpersona_emulate::settings::LinkSettings;
use netpersona_layout::{self as layout, Chance, Link};
use support::distributions::{normal, pareto, uniform, Distribution};
use support::statistics::*;
use support::{link, send, SECOND};

// ---- loss, duplication, corruption, reordering -----------------------------

const PACKETS: u64 = 6000;
const SEGMENTS: u32 = 45;
const TOTAL: u64 = PACKETS * SEGMENTS as u64;

/// How often each segment left, in sending order, of GSO packets of 45 segments.
fn copies(link: &Rc<LinkSettings>) -> Vec<u32> {
    let mut copies = vec![0; TOTAL as usize];
    for left in send(link, PACKETS, SEGMENTS, 1000) {
        copies[(left.id * u64::from(SEGMENTS) + u64::from(left.segment)) as usize] += 1;
    }
    copies
}

fn losses(model: u32, p: [f64; 6]) -> Vec<bool> {
    let link = link(|link| {
        link.loss = layout::Loss {
            model,
            reserved: 0,
            p,
        }
    });
    copies(&link)
        .into_iter()
        .map(|copies| copies == 0)
        .collect()
}

fn count(events: &[bool]) -> u64 {
    events.iter().filter(|event| **event).count() as u64
}

fn numbers(events: &[bool]) -> Vec<f64> {
    events
        .iter()
        .map(|event| f64::from(u8::from(*event)))
        .collect()
}

#[test]
fn bernoulli_loss() {
    for (p, rho) in [(0.01, 0.0), (0.3, 0.0), (0.02, 0.25), (0.1, 0.6)] {
        let name = format!("loss {p} correlation {rho}");
        let lost = losses(layout::LOSS_BERNOULLI, [p, rho, 0.0, 0.0, 0.0, 0.0]);
        assert_rate(&name, count(&lost), TOTAL, p, rho);
        let again = p + rho * (1.0 - p);
        assert_counts(&name, &run_lengths(&lost, 12), &geometric(again, 12));
        let margin = 4.0 / (TOTAL as f64 * p).sqrt();
        assert!(
            (autocorrelation(&numbers(&lost)) - rho).abs() < margin,
            "{name}"
        );
    }
}

#[test]
fn gilbert_loss_comes_in_bursts() {
    let (p, r) = (0.01, 0.3);
    let lost = losses(layout::LOSS_GILBERT_ELLIOTT, [p, r, 0.0, 1.0, 0.0, 0.0]);
    assert_rate("gilbert", count(&lost), TOTAL, p / (p + r), 1.0 - p - r);
    assert_counts("gilbert", &run_lengths(&lost, 20), &geometric(1.0 - r, 20));
}

#[test]
fn gilbert_elliott_loses_in_both_states() {
    let (p, r, good, bad) = (0.02, 0.1, 0.01, 0.5);
    let lost = losses(layout::LOSS_GILBERT_ELLIOTT, [p, r, good, bad, 0.0, 0.0]);
    let share_bad = p / (p + r);
    let rate = share_bad * bad + (1.0 - share_bad) * good;
    assert_rate("gilbert-elliott", count(&lost), TOTAL, rate, 1.0 - p - r);
    // Covariance of neighbours: that of the state, scaled by the difference in loss.
    let covariance = (bad - good).powi(2) * share_bad * (1.0 - share_bad) * (1.0 - p - r);
    let expected = covariance / (rate * (1.0 - rate));
    assert!((autocorrelation(&numbers(&lost)) - expected).abs() < 0.02);
}

#[test]
fn four_state_loss() {
    let (p13, p31, p32, p23, p14) = (0.01, 0.2, 0.3, 0.4, 0.02);
    let lost = losses(layout::LOSS_FOUR_STATE, [p13, p31, p32, p23, p14, 0.0]);
    let weights = [p31 * p23, p13 * p32, p13 * p23, p14 * p31 * p23];
    let total: f64 = weights.iter().sum();
    let rate = (weights[2] + weights[3]) / total;
    assert_rate("four states", count(&lost), TOTAL, rate, 0.9);
    // Runs start alone (1 → 4) or as a burst (1 → 3, 2 → 3), which ends with p31 + p32.
    let (alone, burst) = (weights[0] * p14, weights[0] * p13 + weights[1] * p23);
    let share = burst / (alone + burst);
    let mut expected: Vec<f64> = geometric(1.0 - p31 - p32, 12)
        .into_iter()
        .map(|p| share * p)
        .collect();
    expected[0] += 1.0 - share;
    assert_counts("four states", &run_lengths(&lost, 12), &expected);
}

#[test]
fn duplicates() {
    for (probability, correlation) in [(0.005, 0.0), (0.2, 0.5)] {
        let name = format!("duplicate {probability} correlation {correlation}");
        let link = link(|link| {
            link.duplicate = Chance {
                probability,
                correlation,
            }
        });
        let twice: Vec<bool> = copies(&link)
            .into_iter()
            .map(|copies| copies == 2)
            .collect();
        assert_rate(&name, count(&twice), TOTAL, probability, correlation);
        let again = probability + correlation * (1.0 - probability);
        assert_counts(&name, &run_lengths(&twice, 10), &geometric(again, 10));
    }
}

#[test]
fn loss_and_duplication_are_independent() {
    let (loss, duplicate) = (0.1, 0.2);
    let link = link(|link| {
        link.loss.model = layout::LOSS_BERNOULLI;
        link.loss.p[0] = loss;
        link.duplicate.probability = duplicate;
    });
    let mut counts = [0u64; 3];
    copies(&link)
        .into_iter()
        .for_each(|copies| counts[copies as usize] += 1);
    let none = loss * (1.0 - duplicate);
    let two = (1.0 - loss) * duplicate;
    assert_counts("copies", &counts, &[none, 1.0 - none - two, two]);
}

#[test]
fn corruption() {
    let link = link(|link| {
        link.corrupt = Chance {
            probability: 0.03,
            correlation: 0.3,
        }
    });
    let corrupted: Vec<bool> = send(&link, PACKETS, SEGMENTS, 1000)
        .into_iter()
        .map(|left| left.corrupted)
        .collect();
    assert_eq!(corrupted.len() as u64, TOTAL);
    assert_rate("corrupt", count(&corrupted), TOTAL, 0.03, 0.3);
    assert_counts(
        "corrupt",
        &run_lengths(&corrupted, 6),
        &geometric(0.03 + 0.3 * 0.97, 6),
    );
}

#[test]
fn reordering() {
    let link = link(|link| {
        link.reorder.probability = 0.05;
        link.delay.constant_ns = SECOND;
    });
    let left = send(&link, PACKETS, SEGMENTS, 1000);
    let at_once = left
        .iter()
        .filter(|left| left.due == left.id * 1000)
        .count() as u64;
    assert_rate("reorder", at_once, TOTAL, 0.05, 0.0);
    assert!(left
        .iter()
        .all(|left| [0, SECOND].contains(&(left.due - left.id * 1000))));
}

// ---- delay -----------------------------------------------------------------

fn jittery(distribution: &Distribution, edit: impl FnOnce(&mut Link)) -> Rc<LinkSettings> {
    link(|link| {
        distribution.write(&mut link.delay);
        edit(link);
    })
}

/// Delays of single packets sent every `gap` ns, in sending order.
fn delays(link: &Rc<LinkSettings>, packets: u64, gap: f64) -> Vec<f64> {
    let gap = gap as u64;
    let mut left = send(link, packets, 1, gap);
    left.sort_by_key(|left| left.id);
    left.iter()
        .map(|left| (left.due - left.id * gap) as f64)
        .collect()
}

#[test]
fn delays_of_sparse_packets_are_independent_draws() {
    for distribution in [uniform(), normal(), pareto()] {
        let link = jittery(&distribution, |_| {});
        let delays = delays(&link, 20_000, 2.0 * (distribution.high - distribution.low));
        assert!(
            autocorrelation(&delays).abs() < Z / 20_000f64.sqrt(),
            "{}",
            distribution.name
        );
        assert_distribution(distribution.name, delays, &distribution.cdf);
    }
}

/// The marginal is the one asked for however dense the packets are: every
/// sample a few spreads after the one before is nearly independent of it.
#[test]
fn delays_of_dense_packets_keep_the_distribution() {
    for distribution in [uniform(), normal(), pareto()] {
        let spread = distribution.deviation * 4.0;
        for per_spread in [4.0, 100.0] {
            let name = format!("{} with {per_spread} packets a spread", distribution.name);
            let every = (per_spread * 4.0) as usize;
            let link = jittery(&distribution, |_| {});
            let delays = delays(&link, 1500 * every as u64, spread / per_spread);
            let (mean, deviation) = (mean(&delays), deviation(&delays));
            assert!(
                (mean / distribution.mean - 1.0).abs() < 0.02,
                "{name}: mean {mean}"
            );
            let error = deviation / distribution.deviation - 1.0;
            assert!(error.abs() < 0.08, "{name}: deviation {deviation}");
            let thinned = delays.into_iter().step_by(every).collect();
            assert_distribution(&name, thinned, &distribution.cdf);
        }
    }
}

#[test]
fn coherence_ties_delays_of_sparse_packets() {
    let distribution = normal();
    let link = jittery(&distribution, |link| link.delay.coherence_ns = 2_000_000);
    let delays = delays(&link, 40_000, 1e9);
    let correlation = autocorrelation(&delays);
    assert!(correlation > 0.7, "autocorrelation {correlation}");
    let thinned = delays.into_iter().step_by(40).collect();
    assert_distribution("coherent", thinned, &distribution.cdf);
}

#[test]
fn delays_with_order_free_are_independent_draws() {
    for distribution in [uniform(), normal(), pareto()] {
        let link = jittery(&distribution, |link| link.flags |= layout::LINK_ORDER_FREE);
        let delays = delays(&link, 20_000, 1000.0);
        assert!(
            autocorrelation(&delays).abs() < Z / 20_000f64.sqrt(),
            "{}",
            distribution.name
        );
        assert_distribution(distribution.name, delays, &distribution.cdf);
    }
}

#[test]
fn delays_with_order_free_are_correlated_on_request() {
    let distribution = uniform();
    let link = jittery(&distribution, |link| {
        link.flags |= layout::LINK_ORDER_FREE;
        link.delay.correlation = 0.5;
    });
    let delays = delays(&link, 100_000, 1000.0);
    // Pearson correlation of uniforms under a Gaussian copula.
    let expected = 6.0 / std::f64::consts::PI * (0.25f64).asin();
    assert!((autocorrelation(&delays) - expected).abs() < 0.015);
    let thinned = delays.into_iter().step_by(10).collect();
    assert_distribution("copula", thinned, &distribution.cdf);
}
