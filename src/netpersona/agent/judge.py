"""Requested against achieved: one row a quantity, decided by its confidence interval. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from netpersona.agent.estimates import Estimate, deviation, mean, proportion, rate
from netpersona.agent.requested import Requested
from netpersona.datapath import Probe

PATH_NS = 500_000
"""What the way itself may add: injection, capture and a late timer on a busy machine."""
PATH_SHARE = 0.01
"""And a percent of what is asked."""
RATE_SHARE = 0.02
ENDS_SPREAD = 5.0
"""Deviations by which the delays of a burst's first and last probe may differ, which shifts its rate."""
ENOUGH = 10
"""Probes that must have arrived before a delay is judged."""


@dataclass(frozen=True)
class Row:
    """A line of a verification. `holds` is None where nothing was asked or nothing can be said."""

    direction: str
    quantity: str
    requested: float | None
    achieved: float | None
    low: float | None
    high: float | None
    unit: str
    holds: bool | None

    def document(self) -> dict[str, Any]:
        """As the manager takes it."""
        return dict(vars(self))


def judge(direction: str, wanted: Requested, probes: Sequence[Probe]) -> Iterator[Row]:
    """Rows for probes that were sent one by one, in the order they were sent. Needs two probes."""
    arrived = [probe for probe in probes if probe.captured_ns]
    yield _share(direction, "loss", wanted.loss, [not probe.captured_ns for probe in probes])
    if len(arrived) < ENOUGH:
        return
    yield from _delays(direction, wanted, arrived)
    yield _share(direction, "duplicate", wanted.duplicate, [len(p.captured_ns) > 1 for p in arrived])
    yield _share(direction, "corrupt", wanted.corrupt, [probe.corrupted for probe in arrived])
    if wanted.reorder:
        yield _overtakes(direction, arrived)


def judge_rate(direction: str, wanted: Requested, burst: Sequence[Probe]) -> Row:
    """The row for a burst that was sent faster than the rate. Others' traffic takes its share of it."""
    captures = sorted((probe.captured_ns[0], probe.length) for probe in burst if probe.captured_ns)
    behind = _behind_bucket(captures, wanted.burst_bytes)
    row = _row(direction, "rate", float(wanted.rate_bps), "bit/s")
    if len(behind) < ENOUGH or behind[-1][0] <= behind[0][0]:
        return row(None, None)
    found = rate([length for _, length in behind], [time_ns for time_ns, _ in behind])
    sent_ns = burst[-1].sent_ns - burst[0].sent_ns
    took_ns = captures[-1][0] - captures[0][0]
    if sent_ns > 0.7 * took_ns:
        return row(found, None)  # we were the bottleneck, not the link
    slack = (RATE_SHARE + ENDS_SPREAD * wanted.spread_ns / took_ns) * wanted.rate_bps
    return row(found, found.covers(wanted.rate_bps, below=slack, above=slack))


def _behind_bucket(captures: Sequence[tuple[int, int]], burst_bytes: float) -> list[tuple[int, int]]:
    """What arrived once the token bucket was empty."""
    total = 0
    for index, (_, length) in enumerate(captures):
        total += length
        if total > burst_bytes:
            return list(captures[index:])
    return []


def _delays(direction: str, wanted: Requested, arrived: Sequence[Probe]) -> Iterator[Row]:
    delays = [float(probe.captured_ns[0] - probe.sent_ns) for probe in arrived]
    slack = PATH_NS + PATH_SHARE * wanted.delay_ns
    found = mean(delays)
    holds = found.covers(wanted.delay_ns, below=PATH_SHARE * wanted.delay_ns, above=slack)
    yield _row(direction, "delay", wanted.delay_ns / 1e6, "ms")(_scaled(found), holds)
    if wanted.spread_ns:
        found = deviation(delays)
        holds = found.covers(wanted.spread_ns, below=slack, above=slack)
        yield _row(direction, "jitter (standard deviation)", wanted.spread_ns / 1e6, "ms")(
            _scaled(found), holds
        )


def _overtakes(direction: str, arrived: Sequence[Probe]) -> Row:
    """Probes that came before one sent earlier. How many depends on the spacing: shown, not judged."""
    latest, overtakers = 0, []
    for probe in arrived:
        overtakers.append(probe.captured_ns[0] < latest)
        latest = max(latest, probe.captured_ns[0])
    return _row(direction, "overtaking", None, "")(proportion(overtakers), None)


def _share(direction: str, quantity: str, wanted: float, hits: Sequence[bool]) -> Row:
    found = proportion(hits)
    return _row(direction, quantity, wanted, "")(found, found.covers(wanted))


def _row(
    direction: str, quantity: str, wanted: float | None, unit: str
) -> Callable[[Estimate | None, bool | None], Row]:
    def finish(found: Estimate | None, holds: bool | None) -> Row:
        if found is None:
            return Row(direction, quantity, wanted, None, None, None, unit, holds)
        return Row(direction, quantity, wanted, found.value, found.low, found.high, unit, holds)

    return finish


def _scaled(found: Estimate) -> Estimate:
    return Estimate(found.value / 1e6, found.low / 1e6, found.high / 1e6)
