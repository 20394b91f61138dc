"""What models of loss and chance amount to: a long-run share, and how long a packet's fate is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from netpersona.kinds.persona.conditions import Chance, FourState, GilbertElliott

_LONGEST = 20_000
"""Packets that a memory is followed over; longer ones count as endless."""
ENDLESS = 1e9


class Share(NamedTuple):
    """Of packets, 0 to 1. `memory` is the integrated autocorrelation time in packets; 1: independent."""

    value: float
    memory: float = 1.0


def chance_share(chance: Chance | None) -> Share:
    if chance is None or not chance.acts:
        return Share(0.0)
    rho = float(chance.correlation)
    return Share(float(chance.probability), (1 + rho) / (1 - rho))


def loss_share(loss: Chance | GilbertElliott | FourState | None) -> Share:
    """Of packets lost."""
    if loss is None or not loss.acts:
        return Share(0.0)
    if isinstance(loss, Chance):
        return chance_share(loss)
    if isinstance(loss, GilbertElliott):
        transitions = [[1 - loss.p, loss.p], [loss.r, 1 - loss.r]]
        return _chain(transitions, [loss.loss_good, loss.loss_bad], _two_states(loss))
    return _chain(_transitions(loss), [0.0, 0.0, 1.0, 1.0], _four_states(loss))


def _two_states(loss: GilbertElliott) -> list[float]:
    bad = loss.p / (loss.p + loss.r) if loss.p + loss.r else 0.0
    return [1 - bad, bad]


def _transitions(loss: FourState) -> list[list[float]]:
    return [
        [1 - loss.p13 - loss.p14, 0.0, loss.p13, loss.p14],
        [0.0, 1 - loss.p23, loss.p23, 0.0],
        [loss.p31, loss.p32, 1 - loss.p31 - loss.p32, 0.0],
        [1.0, 0.0, 0.0, 0.0],
    ]


def _four_states(loss: FourState) -> list[float]:
    """Stationary shares of the states 1 to 4 (Salsano et al. 2012, section 3)."""
    if not loss.p31:
        four = float(loss.p14 / (1 + loss.p14))
        burst = loss.p23 / (loss.p23 + loss.p32) if loss.p32 else 1.0
        return [0.0, 1 - burst, burst, 0.0] if loss.p13 else [1 - four, 0.0, 0.0, four]
    three = loss.p13 / loss.p31
    two = three * loss.p32 / loss.p23 if loss.p23 else 0.0
    total = 1 + two + three + loss.p14
    return [1 / total, two / total, three / total, loss.p14 / total]


def _chain(moves: Sequence[Sequence[float]], lost: Sequence[float], stationary: Sequence[float]) -> Share:
    """Share and memory of losses drawn with `lost` in each state of a Markov chain."""
    share = sum(p * q for p, q in zip(stationary, lost, strict=True))
    if not 0 < share < 1:
        return Share(share)
    state = [p * q / share for p, q in zip(stationary, lost, strict=True)]
    excess = 0.0
    for _ in range(_LONGEST):
        state = [sum(p * row[to] for p, row in zip(state, moves, strict=True)) for to in range(len(state))]
        more = sum(p * q for p, q in zip(state, lost, strict=True)) - share
        excess += more
        if abs(more) < 1e-5 * share:
            return Share(share, max(1.0, 1 + 2 * excess / (1 - share)))
    return Share(share, ENDLESS)
