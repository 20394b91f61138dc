import random

import pytest

from netpersona.agent.requested import Requested, loss_rate, requested
from netpersona.persona import from_mapping


def link(**egress: object) -> Requested:
    return requested(from_mapping({"persona_id": "p", "egress": egress}).egress)


def test_uniform_jitter_is_half_a_width() -> None:
    assert link(latency="10ms", jitter="3ms").spread_ns == pytest.approx(3e6 / 3**0.5)


def test_other_jitter_is_a_standard_deviation() -> None:
    assert link(latency="10ms", jitter="3ms", distribution="normal").spread_ns == 3e6


def test_a_table_has_its_own_mean_and_spread() -> None:
    found = link(distribution="table", table=["10ms", "20ms"])
    assert (found.delay_ns, found.spread_ns) == (15e6, 5e6)


def test_reordered_packets_pull_the_mean_down() -> None:
    found = link(latency="10ms", reorder="25%")
    assert found.delay_ns == 7.5e6
    assert found.spread_ns == pytest.approx(10e6 * (0.25 * 0.75) ** 0.5)


def test_gilbert_elliott_spends_its_share_in_the_bad_state() -> None:
    assert link(loss={"model": "gilbert_elliott", "p": "1%", "r": "24%"}).loss == pytest.approx(0.04)


FOUR = {"model": "four_state", "p13": 0.05, "p31": 0.3, "p32": 0.2, "p23": 0.6, "p14": 0.02}


def test_four_states_agree_with_a_walk_through_them() -> None:
    persona = from_mapping({"persona_id": "p", "egress": {"loss": FOUR}})
    assert loss_rate(persona.egress.loss) == pytest.approx(walk(200_000), abs=0.004)


def walk(steps: int) -> float:
    source, state, lost = random.Random(4), 1, 0
    ways = {1: [(3, 0.05), (4, 0.02)], 2: [(3, 0.6)], 3: [(1, 0.3), (2, 0.2)], 4: [(1, 1.0)]}
    for _ in range(steps):
        draw = source.random()
        for target, probability in ways[state]:
            if draw < probability:
                state = target
                break
            draw -= probability
        lost += state in (3, 4)
    return lost / steps


def test_no_limit_is_rate_zero() -> None:
    assert link().rate_bps == 0
