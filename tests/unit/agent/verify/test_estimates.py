import math
import random

import pytest

from netpersona.agent.verify import estimates


def test_an_exact_interval_agrees_with_the_published_example() -> None:
    # 81 of 263 at 95 %: R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 5.
    found = estimates.binomial(81, 263, 0.95)
    assert (round(found.low, 4), round(found.high, 4)) == (0.2527, 0.3676)


@pytest.mark.parametrize("trials", [1, 7, 200, 3001, 10_000])
def test_never_and_always_are_covered_exactly(trials: int) -> None:
    """Not by 1e-17 less: 0 and 100 % are what is asked most."""
    assert estimates.proportion([False] * trials).covers(0)
    assert estimates.proportion([True] * trials).covers(1)
    assert estimates.proportion([True] * trials, memory=3.7).covers(1)


def test_one_hit_excludes_never() -> None:
    assert not estimates.proportion([False] * 9999 + [True]).covers(0)


@pytest.mark.parametrize("p", [0.005, 0.3])
def test_an_exact_interval_misses_no_more_often_than_it_says(p: float) -> None:
    """Over all outcomes of 200 trials, by their probabilities."""
    missed = sum(
        math.comb(200, k) * p**k * (1 - p) ** (200 - k)
        for k in range(201)
        if not estimates.binomial(k, 200, 0.95).covers(p)
    )
    assert 0.005 < missed <= 0.05


def test_a_proportion_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs at least one"):
        estimates.binomial(0, 0)


def test_mean_uses_the_student_distribution() -> None:
    # t(0.975, 9) = 2.2622; the series alternates, so it counts in full.
    samples = [9.0, 11.0] * 5
    found = estimates.mean(samples, confidence=0.95)
    half = 2.2622 * math.sqrt(10 / 9) / math.sqrt(10)
    assert found.value == 10
    assert found.high - 10 == pytest.approx(half, rel=1e-3)


@pytest.mark.parametrize("confidence", [0.95, 0.999])
def test_the_interval_of_the_mean_covers_the_mean_as_often_as_it_says(confidence: float) -> None:
    source = random.Random(20)
    trials = 1000
    hits = sum(
        estimates.mean([source.gauss(5, 2) for _ in range(60)], confidence=confidence).covers(5)
        for _ in range(trials)
    )
    expected = confidence * trials
    # Four standard errors; the correlation correction may only widen.
    assert hits >= expected - 4 * math.sqrt(trials * confidence * (1 - confidence)) - 0.012 * trials


def test_the_interval_covers_the_mean_of_a_correlated_series() -> None:
    source = random.Random(21)
    hits = sum(estimates.mean(correlated(source, 0.9, 400), confidence=0.95).covers(0) for _ in range(300))
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


def test_the_width_of_the_middle_is_covered() -> None:
    source = random.Random(22)
    middle = 2 * 2 * 1.2816  # of a normal distribution of deviation 2, from 10 % to 90 %
    hits = sum(
        estimates.width([source.gauss(5, 2) for _ in range(200)], confidence=0.99).covers(middle)
        for _ in range(300)
    )
    assert hits >= 294


def test_outliers_do_not_move_the_width_of_the_middle() -> None:
    samples = [float(n % 100) for n in range(1000)]
    assert estimates.width(samples).value == pytest.approx(80, abs=1)
    assert estimates.width([*samples, *[1e9] * 9]).value == pytest.approx(80, abs=2)


def test_bursty_losses_widen_the_interval() -> None:
    scattered = [index % 10 == 0 for index in range(1000)]
    bursts = [index % 200 < 20 for index in range(1000)]
    narrow, wide = estimates.proportion(scattered), estimates.proportion(bursts)
    assert narrow.value == pytest.approx(wide.value)
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_a_memory_that_the_series_cannot_show_widens_the_interval_too() -> None:
    assert (
        estimates.proportion([False] * 1000, memory=20).high > 10 * estimates.proportion([False] * 1000).high
    )


@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_ranks_show_correlation_whatever_the_tail(rho: float) -> None:
    source = random.Random(23)
    series = [math.exp(3 * x) for x in correlated(source, rho, 2000)]
    found = estimates.rank_correlation(series[:-1], series[1:])
    assert found.value == pytest.approx(6 / math.pi * math.asin(rho / 2), abs=0.06)
    assert found.covers(6 / math.pi * math.asin(rho / 2))


def test_rate_is_what_left_between_a_packet_and_a_later_one() -> None:
    sizes = [9999] + [1250] * 100
    times = [index * 10_000_000 for index in range(101)]
    found = estimates.rate(sizes, times)
    assert found.value == pytest.approx(1e6)
    assert found.covers(1e6)
    assert not found.covers(1.2e6)


def test_a_late_packet_does_not_move_the_rate() -> None:
    times = [index * 10_000_000 for index in range(101)]
    times[0], times[-1] = times[0] - 100_000_000, times[-1] + 100_000_000
    assert estimates.rate([1250] * 101, times).value == pytest.approx(1e6)


def test_a_burst_without_duration_has_no_rate() -> None:
    with pytest.raises(ValueError, match="different times"):
        estimates.rate([1, 1, 1, 1], [5, 5, 5, 5])


def test_a_constant_series_is_worth_its_length() -> None:
    assert estimates.effective_size([3.0] * 50) == 50


def test_what_is_allowed_above_shifts_the_interval_down() -> None:
    found = estimates.Estimate(10.2, 10.1, 10.3)
    assert not found.covers(10)
    assert found.covers(10, above=0.2)
    assert not found.covers(10.5, above=0.1)
    assert found.covers(10.5, below=0.3)
