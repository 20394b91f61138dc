import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from netpersona.kinds.persona import quantiles
from netpersona.kinds.persona.conditions import JITTER_LIMIT
from netpersona.kinds.persona.quantiles import Quantiles

MEAN = 100e6
RATIOS = (0.001, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99)
CASES = [(name, ratio) for name in ("normal", "pareto", "paretonormal") for ratio in RATIOS]
CASES += [("pareto", 1.7), ("paretonormal", 1.6)]


def table(name: str, ratio: float) -> Quantiles:
    return quantiles.with_moments(name, MEAN, ratio * MEAN)


def distance(table: Quantiles, cdf: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> float:
    """Kolmogorov-Smirnov distance of a quantile table from a distribution, over a fine grid of p."""
    p = np.concatenate(
        [np.linspace(0, 1, 20001)[1:-1], 2.0 ** -np.arange(10, 20), 1 - 2.0 ** -np.arange(10, 20)]
    )
    return float(np.abs(cdf(np.array([table.at(float(q)) for q in p])) - p).max())


@pytest.mark.parametrize(("name", "ratio"), CASES)
def test_the_table_itself_has_the_mean_and_deviation_asked(name: str, ratio: float) -> None:
    made = table(name, ratio)
    assert made.mean() == pytest.approx(MEAN, rel=1e-6)
    assert made.deviation() == pytest.approx(ratio * MEAN, rel=1e-6)


@pytest.mark.parametrize(("name", "ratio"), CASES)
def test_no_delay_is_negative_and_points_ascend(name: str, ratio: float) -> None:
    points = table(name, ratio).points
    assert len(points) <= quantiles.MAX_POINTS
    assert points[0][1] >= 0
    assert all(p < q and x < y for (p, x), (q, y) in pairwise(points))


@pytest.mark.parametrize("name", JITTER_LIMIT.keys() - {"uniform"})
def test_the_limit_of_jitter_is_one_that_the_tables_reach(name: str) -> None:
    assert table(name, JITTER_LIMIT[name]).low >= -1e-3


@pytest.mark.parametrize("ratio", [0.05, 0.1, 0.15])
def test_a_normal_far_from_zero_is_the_normal(ratio: float) -> None:
    assert distance(table("normal", ratio), stats.norm(MEAN, ratio * MEAN).cdf) < 5e-4


@pytest.mark.parametrize("ratio", [0.5, 0.7, 0.9])
def test_a_normal_near_zero_is_a_truncated_normal_with_the_moments_asked(ratio: float) -> None:
    """scipy's, solved for the same moments: nothing piles up at zero."""
    made = table("normal", ratio)

    def moments_off(parameters: NDArray[np.float64]) -> list[float]:
        location, log_scale = parameters
        scale = np.exp(log_scale)
        reference = stats.truncnorm(-location / scale, np.inf, loc=location, scale=scale)
        return [reference.mean() / MEAN - 1, reference.std() / MEAN - ratio]

    from scipy.optimize import fsolve

    location, log_scale = fsolve(moments_off, [MEAN * (1 - ratio), np.log(MEAN)])
    scale = np.exp(log_scale)
    assert distance(made, stats.truncnorm(-location / scale, np.inf, loc=location, scale=scale).cdf) < 2e-3


@pytest.mark.parametrize("ratio", [0.1, 0.5, 1.5])
def test_a_pareto_is_the_pareto_of_shape_three(ratio: float) -> None:
    scale = ratio * MEAN / 0.75**0.5
    reference = stats.pareto(3, loc=MEAN - 1.5 * scale, scale=scale)
    assert distance(table("pareto", ratio), reference.cdf) < 5e-3


def test_a_paretonormal_is_a_quarter_normal_and_three_quarters_pareto_by_quantile() -> None:
    made = table("paretonormal", 0.1)
    p = np.linspace(0.001, 0.999, 999)
    mixed = 0.25 * stats.norm.ppf(p) + 0.75 * (stats.pareto(3).ppf(p) - 1.5) / 0.75**0.5
    got = np.array([made.at(float(q)) for q in p])
    slope, offset, fit, *_ = stats.linregress(mixed, got)
    assert fit > 0.9999
    assert np.abs(got - (slope * mixed + offset)).max() < 0.02 * made.deviation()


def test_a_uniform_is_exact() -> None:
    made = quantiles.uniform(50.0, 20.0)
    assert (made.low, made.high, made.mean()) == (30.0, 70.0, 50.0)
    assert made.deviation() == pytest.approx(20 / 3**0.5)


def test_an_empirical_table_passes_through_its_delays_in_any_order() -> None:
    made = quantiles.empirical([30, 10, 20])
    assert [made.at(p) for p in (0, 0.25, 0.5, 1)] == [10, 15, 20, 30]


def test_a_long_empirical_table_is_thinned_without_changing_its_shape() -> None:
    delays = np.random.default_rng(7).gamma(4, 1e6, 4000).astype(int).tolist()
    made = quantiles.empirical(delays)
    assert len(made.points) == quantiles.MAX_POINTS
    assert distance(made, stats.ecdf(delays).cdf.evaluate) < 5e-3


def test_building_a_table_that_has_to_be_solved_for_takes_milliseconds() -> None:
    started = time.process_time()
    quantiles.with_moments("normal", 1e8, 0.812345e8)
    assert time.process_time() - started < 0.5
