"""How many probes, how far apart, for how long: paced so that they disturb nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import ceil

from netpersona.agent.verify.requested import Requested
from netpersona.datapath.programs.probes import MIN_LENGTH, Train

SECOND = 10**9
LINK_SHARE = 0.25
"""Of a limited rate that probes may take."""
USUAL_NS, CLOSEST_NS = 10_000_000, 1_000_000
"""Between two probes where nobody says otherwise; closer where many are needed."""
USUAL_NS_IN_ALL = 5 * SECOND
FEWEST, MOST = 200, 13_000
"""Probes of a direction where nobody says otherwise."""
SHARE_NEEDS = 130
"""Independent probes for each that is hit, to tell a share from its half and its double (99 %)."""
CORRELATION_NEEDS = 300
"""Likewise, over the square of the correlation: pairs of probes to tell it from its half and its double."""
SPREAD_NEEDS = 400
"""Independent probes to tell a spread of delays from half and twice of it."""
OVERLOAD = 2.0
"""How much faster than the rate a burst is offered: the link stays busy, others are not starved."""
BURST_NS = 300_000_000
"""How long a burst keeps a limited link busy; longer where fewer than `BURST_FRAMES` pass in that time."""
BURST_FRAMES, MOST_BURST = 60, 4000
LONGEST_FRAME = 1400


@dataclass(frozen=True)
class ProbeRequest:
    """What a person asked for; None: as many, or as far apart, as the persona needs."""

    probes: int | None = None
    interval_ns: int | None = None
    at_most_ns: int = 60 * SECOND


@dataclass(frozen=True)
class Plan:
    """Both directions at the same time: first one by one, then, where there is a rate, a burst each."""

    trains: tuple[Train, ...]
    settle_ns: int
    bursts: tuple[Train, ...]
    drain_ns: int
    needed: int
    """Probes of a direction that the persona calls for; more than `trains` have if time is too short."""

    @property
    def lasts_ns(self) -> int:
        drain_ns = max((_lasts_ns(burst) for burst in self.bursts), default=0) + self.drain_ns
        return max(map(_lasts_ns, self.trains)) + self.settle_ns + (drain_ns if self.bursts else 0)


def plan(directions: Mapping[str, Requested], request: ProbeRequest) -> Plan:
    """What is sent within `request.at_most_ns`. With too little time: fewer probes, two at least."""
    settle_ns = max(map(_settle_ns, directions.values()))
    left_ns = request.at_most_ns - settle_ns
    bursts, drain_ns = _bursts(directions, settle_ns, left_ns // 2)
    if bursts:
        left_ns -= max(map(_lasts_ns, bursts)) + drain_ns
    trains = [_train(name, wanted, request) for name, wanted in directions.items()]
    fitting = tuple(replace(train, count=min(train.count, _fitting(train, left_ns))) for train in trains)
    return Plan(fitting, settle_ns, bursts, drain_ns, max(train.count for train in trains))


def _train(direction: str, wanted: Requested, request: ProbeRequest) -> Train:
    shares = _needed_for_shares(wanted)
    interval_ns = request.interval_ns or min(USUAL_NS, max(CLOSEST_NS, USUAL_NS_IN_ALL // shares))
    interval_ns = max(interval_ns, _pace_ns(wanted))
    count = request.probes or min(MOST, max(shares, _needed_for_delays(wanted, interval_ns)))
    return Train(direction, count, interval_ns)


def _needed_for_shares(wanted: Requested) -> int:
    needs = [FEWEST]
    for share in (wanted.unseen, wanted.doubled, wanted.damaged, wanted.reorder):
        if 0 < share.value < 1:
            needs.append(min(MOST, ceil(SHARE_NEEDS * share.memory * (1 - share.value) / share.value)))
    if wanted.correlation:
        needs.append(min(MOST, ceil(CORRELATION_NEEDS / wanted.correlation**2)))
    return max(needs)


def _needed_for_delays(wanted: Requested, interval_ns: int) -> int:
    return ceil(SPREAD_NEEDS * wanted.delay_memory(interval_ns)) if wanted.spread_ns else FEWEST


def _pace_ns(wanted: Requested) -> int:
    """An interval at which probes take their share of the rate."""
    return int(MIN_LENGTH * 8 * SECOND / (LINK_SHARE * wanted.rate_bps)) if wanted.rate_bps else 0


def _settle_ns(wanted: Requested) -> int:
    """Long enough for all but a millionth of any tail that the model allows."""
    return int(wanted.delay_ns + 12 * wanted.spread_ns) + 300_000_000


def _fitting(train: Train, left_ns: int) -> int:
    return max(2, left_ns // train.interval_ns)


def _bursts(
    directions: Mapping[str, Requested], settle_ns: int, most_ns: int
) -> tuple[tuple[Train, ...], int]:
    """Those that end within `most_ns`, and how long to wait behind the last."""
    found = [_burst(name, wanted) for name, wanted in directions.items() if wanted.rate_bps]
    bursts = tuple(burst for burst in found if OVERLOAD * _lasts_ns(burst) + settle_ns <= most_ns)
    drain_ns = settle_ns + int((OVERLOAD - 1) * max(map(_lasts_ns, bursts), default=0))
    return bursts, drain_ns


def _burst(direction: str, wanted: Requested) -> Train:
    byte_ns = 8 * SECOND / wanted.rate_bps
    length = min(LONGEST_FRAME, max(MIN_LENGTH, int(BURST_NS / byte_ns / BURST_FRAMES)))
    passing = max(BURST_NS / byte_ns, length * BURST_FRAMES) + OVERLOAD * wanted.burst_bytes
    count = min(MOST_BURST, ceil(passing / length))
    return Train(direction, count, int(length * byte_ns / OVERLOAD), length)


def _lasts_ns(train: Train) -> int:
    return train.count * train.interval_ns
