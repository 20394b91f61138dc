"""What a policy may compare: each metric with its unit, which way is worse, and where it is measured."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from netpersona.kinds.errors import Refused
from netpersona.kinds.measured import DIRECTIONS, Direction, Measured, MeasuredDirection
from netpersona.kinds.units import Duration, Probability, Rate, shown

Read = Callable[[MeasuredDirection, float], float | None]
"""From one direction and the length of the interval in seconds."""


@dataclass(frozen=True, slots=True)
class Unit:
    """How a quantity is read from a document and shown; it is held as a number of `base`."""

    base: str
    read: Callable[[str], float]
    """Raises Refused."""
    show: Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Metric:
    """A measured quantity. Without a direction it is of both: their sum, or the larger one."""

    name: str
    doc: str
    unit: Unit
    worse: Literal["higher", "lower"]
    adds: bool
    of: Read
    noise: float
    """A change of less than this is none, in the unit's base."""
    highest: float = float("inf")

    def value(self, measured: Measured, direction: Direction | None) -> float | None:
        """None where it was not measured."""
        sides = [direction] if direction else DIRECTIONS
        values = [self.of(measured.direction(side), measured.interval_s) for side in sides]
        found = [value for value in values if value is not None]
        if not found:
            return None
        return sum(found) if self.adds else max(found)


_COUNT: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kKmM]?)(pps)?")


def _pps(text: str) -> float:
    match = _COUNT.fullmatch(text.strip())
    if match is None or not match[3]:
        raise Refused(f"{shown(text)} is not a packet rate", "write packets a second, as in 500pps or 20kpps")
    return float(match[1]) * {"": 1, "k": 1e3, "m": 1e6}[match[2].lower()]


def _packets(text: str) -> float:
    match = _COUNT.fullmatch(text.strip())
    if match is None or match[2] or match[3]:
        raise Refused(f"{shown(text)} is not a number of packets", "write a bare number, as in 200")
    return float(match[1])


def _show_ms(value: float) -> str:
    return str(Duration.rounded(Decimal(f"{value:.4g}") * 10**6)) if value < 6e5 else f"{value:.4g}ms"


def _show_rate(value: float) -> str:
    return str(Rate.rounded(Decimal(f"{value:.4g}"))) if 1e3 <= value <= 4e11 else f"{value:.4g}bit"


TIME: Final = Unit("ms", lambda text: Duration.parse(text) / 1e6, _show_ms)
RATE: Final = Unit("bit/s", lambda text: float(Rate.parse(text)), _show_rate)
SHARE: Final = Unit("share", lambda text: float(Probability.parse(text)), lambda value: f"{value * 100:.4g}%")
PPS: Final = Unit("packets/s", _pps, lambda value: f"{value:.0f}pps")
PACKETS: Final = Unit("packets", _packets, lambda value: f"{value:.0f}")


def _dropped(side: MeasuredDirection, interval_s: float) -> float | None:
    return None if side.dropped_packets is None else sum(side.dropped_packets.values()) / interval_s


_ALL: Final = (
    Metric(
        "rtt", "round trip, median; of both directions: the whole way", TIME, "higher", True,
        lambda side, _: side.rtt.median_ms if side.rtt else None, 2.0,
    ),
    Metric(
        "rtt_min", "shortest round trip: the path without queues", TIME, "higher", True,
        lambda side, _: side.rtt.min_ms if side.rtt else None, 2.0,
    ),
    Metric(
        "rtt_p95", "round trip that 95 % keep within", TIME, "higher", True,
        lambda side, _: side.rtt.p95_ms if side.rtt else None, 5.0,
    ),
    Metric(
        "jitter", "variation of round trips; of both: the larger one", TIME, "higher", False,
        lambda side, _: side.jitter_ms, 1.0,
    ),
    Metric(
        "loss", "share of packets that had to be sent again; of both: the larger one", SHARE, "higher", False,
        lambda side, _: side.loss, 0.005, 1.0,
    ),
    Metric(
        "throughput", "bits a second that went on; of both: their sum", RATE, "lower", True,
        lambda side, _: side.throughput_bit_s, 1e5,
    ),
    Metric(
        "packets", "packets a second that went on; of both: their sum", PPS, "higher", True,
        lambda side, _: side.packets_s, 10.0,
    ),
    Metric(
        "drops", "packets a second that were dropped here, for any reason; of both: their sum",
        PPS, "higher", True, _dropped, 10.0,
    ),
    Metric(
        "queue_depth", "packets waiting in the engine; of both: the larger one", PACKETS, "higher", False,
        lambda side, _: side.queue_depth_packets, 10.0,
    ),
)  # fmt: skip
METRICS: Final = {metric.name: metric for metric in _ALL}
