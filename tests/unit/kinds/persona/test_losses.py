import random

import pytest

from netpersona.kinds.persona import from_mapping
from netpersona.kinds.persona.losses import ENDLESS, Share, loss_share


def of(loss: object) -> Share:
    return loss_share(from_mapping({"persona_id": "p", "egress": {"loss": loss}}).egress.loss)


def test_a_chance_is_independent_unless_correlated() -> None:
    assert of("1%") == Share(0.01)
    assert of({"probability": "1%", "correlation": "50%"}) == pytest.approx((0.01, 3))
    assert of(0) == Share(0.0)


def test_gilbert_elliott_spends_its_share_in_the_bad_state() -> None:
    found = of({"model": "gilbert_elliott", "p": "1%", "r": "24%"})
    assert found == pytest.approx((0.04, (2 - 0.25) / 0.25), rel=1e-3)


def test_losses_that_the_states_do_not_tie_have_no_memory() -> None:
    assert of({"model": "gilbert_elliott", "p": "50%", "r": "50%"}).memory == pytest.approx(1)


def test_bursts_longer_than_any_measurement_are_endless() -> None:
    assert of({"model": "gilbert_elliott", "p": 1e-6, "r": 1e-6}).memory == ENDLESS


FOUR = {"model": "four_state", "p13": 0.05, "p31": 0.3, "p32": 0.2, "p23": 0.6, "p14": 0.02}


def test_four_states_agree_with_a_walk_through_them() -> None:
    assert of(FOUR).value == pytest.approx(walk(200_000), abs=0.004)


def test_four_states_without_a_way_back_stay_in_the_burst() -> None:
    assert of({**FOUR, "p31": 0, "p32": 0}).value == 1
    assert of({**FOUR, "p31": 0}).value == pytest.approx(0.75)


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
