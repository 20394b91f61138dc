"""How stretches of a load that goes on are held against each other."""

from __future__ import annotations

import random

import pytest
from lab.stretches import Rates, joined, median_within, ratios, take_turns


def test_a_stretch_is_held_against_the_mean_of_those_around_it() -> None:
    found = ratios([10, 9, 20, 30, 20])
    assert found.ratios == [0.6, 1.5]
    assert found.bare == 20


def test_a_machine_that_slows_down_evenly_changes_no_ratio() -> None:
    rates = [1000 - 10 * at for at in range(21)]
    halved = [rate / 2 if at % 2 else rate for at, rate in enumerate(rates)]
    assert ratios(halved).ratios == pytest.approx([0.5] * 10)


def test_turns_begin_and_end_bare() -> None:
    bare, other = Rates(1, 0), Rates(2, 0)
    assert take_turns(lambda: bare, lambda: other, 2) == [bare, other, bare, other, bare]


def test_runs_are_joined() -> None:
    both = joined([ratios([1, 1, 1]), ratios([4, 2, 4])])
    assert both.ratios == [1, 0.5]
    assert both.bare == 2.5


def test_the_true_median_lies_within_nineteen_times_of_twenty() -> None:
    chance = random.Random(1)
    hits = 0
    for _ in range(500):
        low, high = median_within([chance.gauss(1, 0.1) for _ in range(24)])
        hits += low <= 1 <= high
    assert hits >= 0.93 * 500


def test_of_one_value_the_median_is_that() -> None:
    assert median_within([0.9]) == (0.9, 0.9)
