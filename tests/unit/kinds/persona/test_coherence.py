"""Correlation with order kept, against a simulation of the process that the engine runs."""

import numpy as np
import pytest
from numpy.typing import NDArray

from netpersona.kinds.persona import quantiles
from netpersona.kinds.persona.coherence import autocorrelation, coherence, expected
from netpersona.kinds.persona.conditions import Link
from netpersona.kinds.persona.delays import correlation_at, correlation_reach
from netpersona.kinds.persona.quantiles import Quantiles

TABLES = {
    "uniform": quantiles.uniform(100e6, 40e6),
    "normal": quantiles.with_moments("normal", 100e6, 20e6),
    "truncated normal": quantiles.with_moments("normal", 100e6, 80e6),
    "paretonormal": quantiles.with_moments("paretonormal", 100e6, 20e6),
}


def simulate(
    table: Quantiles, gap: float, pairs: int, seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Delays D of the table and their successors: max(D - gap, x) with F(x)/F(x + gap) = U."""
    p, x = (np.array(column) for column in zip(*table.points, strict=True))
    random = np.random.default_rng(seed)
    first = np.interp(random.random(pairs), p, x)
    grid = np.unique(np.concatenate([x, x - gap, np.linspace(table.low, np.interp(0.9999, p, x), 20000)]))
    grid = grid[grid >= table.low]
    ratio = np.interp(grid, x, p) / np.interp(grid + gap, x, p)
    drawn = np.interp(random.random(pairs), np.maximum.accumulate(ratio), grid)
    return first, np.maximum(first - gap, drawn)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("wanted", [0.1, 0.5, 0.9])
def test_packets_that_far_apart_have_the_correlation_asked(name: str, wanted: float) -> None:
    """Half a million pairs: the standard error is 0.0014 for light tails; 0.02 allows for heavy ones."""
    table = TABLES[name]
    first, second = simulate(table, coherence(table, wanted), 500_000, seed=11)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize("name", TABLES)
def test_the_marginal_is_kept_at_any_gap(name: str) -> None:
    """The second delay has the distribution of the first: two-sample quantiles agree."""
    table = TABLES[name]
    first, second = simulate(table, table.deviation() / 2, 500_000, seed=12)
    levels = np.linspace(0.05, 0.95, 19)
    assert np.quantile(second, levels) == pytest.approx(
        np.quantile(first, levels), abs=0.01 * table.deviation()
    )


def test_correlation_falls_as_the_gap_grows() -> None:
    table = TABLES["normal"]
    falling = [autocorrelation(table, gap) for gap in (1e5, 1e6, 1e7, 5e7)]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] > 0.99


def test_a_stronger_correlation_has_a_shorter_coherence() -> None:
    table = TABLES["uniform"]
    assert 0 < coherence(table, 0.9) < coherence(table, 0.5) < coherence(table, 0.1)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("asked", [0.0, 0.25])
@pytest.mark.parametrize("rate", [20, 2000])
def test_what_is_expected_at_a_rate_is_what_the_process_does(name: str, asked: float, rate: int) -> None:
    table, gap = TABLES[name], 1e9 / rate
    first, second = simulate(table, min(gap, coherence(table, asked)) if asked else gap, 500_000, seed=13)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(expected(table, asked, gap), abs=0.05)


def test_the_correlation_asked_is_a_floor_that_grows_with_the_packet_rate() -> None:
    link = Link.model_validate({"latency": "20ms", "jitter": "2ms", "correlation": "25%"})
    slow, fast = (correlation_at(link, 1e9 / rate) for rate in (10, 2000))
    assert slow == pytest.approx(0.25, abs=0.01)
    assert fast is not None
    assert 0.6 < fast < 0.9
    reach = correlation_reach(link)
    assert reach is not None
    assert correlation_at(link, reach) == pytest.approx(0.25, abs=0.01)


def test_free_order_keeps_to_what_was_asked_at_any_rate() -> None:
    link = Link.model_validate({"latency": "20ms", "jitter": "2ms", "correlation": "25%", "order": "free"})
    assert (correlation_at(link, 1), correlation_reach(link)) == (0.25, None)


def test_a_constant_delay_has_no_correlation() -> None:
    link = Link.model_validate({"latency": "20ms"})
    assert (correlation_at(link, 1), correlation_reach(link)) == (None, None)
