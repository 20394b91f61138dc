"""Links that do, or do not do, what a persona asks: the engine's arithmetic, seeded, without packets."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from netpersona.agent.verify.requested import Requested, requested
from netpersona.datapath import Probe, Train
from netpersona.kinds.persona import from_mapping
from netpersona.kinds.persona.coherence import coherence
from netpersona.kinds.persona.conditions import Chance, GilbertElliott, Link
from netpersona.kinds.persona.delays import delay_distribution
from netpersona.kinds.persona.quantiles import Quantiles

PATH_NS = 50_000
"""What injection and capture take, on average; exponential."""
GRID = 1000
"""Steps in which a distribution without corners of its own is tabulated."""


def link(**egress: Any) -> Link:
    return from_mapping({"persona_id": "p", "egress": egress}).egress


def wanted(**egress: Any) -> Requested:
    return requested(link(**egress))


def travel(over: Link, train: Train, seed: int) -> list[Probe]:
    """What becomes of a train of probes on a link without a rate limit."""
    source = random.Random(seed)
    lost = _losses(over, source)
    delays = _delays(over, train.interval_ns, source)
    probes = []
    for number in range(train.count):
        sent_ns = number * train.interval_ns
        gone, delay = next(lost), next(delays)
        past = _hit(over.reorder, source)
        arrival = sent_ns + int((0 if past else delay) + source.expovariate(1 / PATH_NS))
        corrupted = _hit(over.corrupt, source) and not gone
        copies = int(not gone) + _hit(over.duplicate, source)
        probes.append(Probe(number, sent_ns, (arrival,) * copies, corrupted, train.length))
    return probes


def _hit(chance: Chance | None, source: random.Random) -> bool:
    return chance is not None and source.random() < chance.probability


def _losses(over: Link, source: random.Random) -> Iterator[bool]:
    loss, previous, bad = over.loss, False, False
    if isinstance(loss, GilbertElliott):
        bad = source.random() < loss.p / (loss.p + loss.r)
        while True:
            yield source.random() < (loss.loss_bad if bad else loss.loss_good)
            bad = source.random() >= loss.r if bad else source.random() < loss.p
    assert loss is None or isinstance(loss, Chance)
    p, rho = (float(loss.probability), float(loss.correlation)) if loss else (0.0, 0.0)
    previous = source.random() < p
    while True:
        yield previous
        previous = source.random() < (p + rho * (1 - p) if previous else p * (1 - rho))


def _delays(over: Link, gap_ns: float, source: random.Random) -> Iterator[float]:
    table = delay_distribution(over)
    if table is None:
        while True:
            yield float(over.latency)
    if over.order_free:
        while True:
            yield table.at(source.random())
    step = min(gap_ns, coherence(table, over.correlation)) if over.correlation else gap_ns
    followers, delay = _followers(table, step), table.at(source.random())
    while True:
        yield delay
        delay = max(delay - step, followers.at(source.random()))


@lru_cache(maxsize=8)
def _followers(table: Quantiles, gap: float) -> Quantiles:
    """x by F(x) / F(x + gap)."""
    corners = {x - shift for _, x in table.points for shift in (0.0, gap)}
    between = {table.at(step / GRID) for step in range(GRID)}
    xs = sorted(x for x in corners | between if x >= table.low)
    return Quantiles(tuple(sorted((_cumulative(table, x) / _cumulative(table, x + gap), x) for x in xs)))


def _cumulative(table: Quantiles, x: float) -> float:
    index = bisect_right(table.points, x, key=lambda point: point[1])
    if index in (0, len(table.points)):
        return float(index > 0)
    (p, a), (q, b) = table.points[index - 1], table.points[index]
    return p + (q - p) * (x - a) / (b - a)
