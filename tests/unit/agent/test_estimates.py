import math
import random

import pytest

from netpersona.agent import estimates


def test_wilson_agrees_with_the_published_example() -> None:
    # 81 of 263 at 95 %: R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
    found = estimates.wilson(81, 263, 0.95)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2553, 0.3662)


def test_wilson_of_no_success_has_an_upper_bound_above_zero() -> None:
    found = estimates.wilson(0, 20, 0.95)
    assert found.low == 0
    assert found.high == pytest.approx(0.1611, abs=1e-4)


def test_a_proportion_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least one"):
        estimates.wilson(0, 0)


def test_mean_uses_the_student_distribution() -> None:
    # t(0.975, 9) = 2.2622; the series alternates, so it counts in full.
    samples = [9.0, 11.0] * 5
    found = estimates.mean(samples, 0.95)
    half = 2.2622 * math.sqrt(10 / 9) / math.sqrt(10)
    assert found.value == 10
    assert found.high - 10 == pytest.approx(half, rel=1e-3)


@pytest.mark.parametrize("confidence", [0.95, 0.999])
def test_the_interval_of_the_mean_covers_the_mean_as_often_as_it_says(confidence: float) -> None:
    source = random.Random(20)
    trials = 1000
    hits = sum(
        estimates.mean([source.gauss(5, 2) for _ in range(60)], confidence).covers(5) for _ in range(trials)
    )
    expected = confidence * trials
    # Four standard errors; the correlation correction may only widen.
    assert hits >= expected - 4 * math.sqrt(trials * confidence * (1 - confidence)) - 0.012 * trials


def test_the_interval_covers_the_mean_of_a_correlated_series() -> None:
    source = random.Random(21)
    hits = sum(estimates.mean(correlated(source, 0.9, 400), 0.95).covers(0) for _ in range(300))
    assert hits >= 0.85 * 300


def test_without_the_correction_that_series_would_be_missed() -> None:
    source = random.Random(21)
    series = correlated(source, 0.9, 400)
    assert estimates.effective_size(series) < 100


def correlated(source: random.Random, rho: float, length: int) -> list[float]:
    value, series = source.gauss(0, 1), []
    for _ in range(length):
        value = rho * value + math.sqrt(1 - rho * rho) * source.gauss(0, 1)
        series.append(value)
    return series


def test_deviation_covers_the_deviation() -> None:
    source = random.Random(22)
    hits = sum(
        estimates.deviation([source.gauss(5, 2) for _ in range(200)], 0.999).covers(2) for _ in range(300)
    )
    assert hits >= 290


def test_bursty_losses_widen_the_interval() -> None:
    scattered = [index % 10 == 0 for index in range(1000)]
    bursts = [index % 200 < 20 for index in range(1000)]
    narrow, wide = estimates.proportion(scattered), estimates.proportion(bursts)
    assert narrow.value == pytest.approx(wide.value)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_rate_counts_what_left_after_the_first_packet() -> None:
    sizes = [9999] + [1250] * 100
    times = [index * 10_000_000 for index in range(101)]
    found = estimates.rate(sizes, times)
    assert found.value == pytest.approx(1e6)
    assert found.covers(1e6)
    assert not found.covers(1.2e6)


def test_a_burst_without_duration_has_no_rate() -> None:
    with pytest.raises(ValueError, match="different times"):
        estimates.rate([1, 1, 1], [5, 5, 5])


def test_a_constant_series_is_worth_its_length() -> None:
    assert estimates.effective_size([3.0] * 50) == 50


def test_what_is_allowed_above_shifts_the_interval_down() -> None:
    found = estimates.Estimate(10.2, 10.1, 10.3)
    assert not found.covers(10)
    assert found.covers(10, above=0.2)
    assert not found.covers(10.5, above=0.1)
    assert found.covers(10.5, below=0.3)
