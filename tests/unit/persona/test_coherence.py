"""Correlation with order kept, against a simulation of the process that the engine runs."""

import numpy as np
import pytest
from numpy.typing import NDArray

from netpersona.persona import quantiles
from netpersona.persona.coherence import autocorrelation, coherence
from netpersona.persona.quantiles import Quantiles

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
