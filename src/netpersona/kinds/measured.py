"""Measured conditions: what was seen of an attachment's traffic in one interval. Never what was asked for.

Directions are the workload's: `egress` is what it sends. Everything may be missing, and what is missing was
not measured; 0 was measured and is 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import Field, StrictBool, StrictStr

from netpersona.kinds.base import Frozen, Told
from netpersona.kinds.names import Counter

Direction = Literal["egress", "ingress"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("egress", "ingress")

Amount = Annotated[float, Field(strict=True, ge=0, le=1e15, allow_inf_nan=False)]
Fraction = Annotated[float, Field(strict=True, ge=0, le=1)]
Reason = Annotated[StrictStr, Field(max_length=64)]


class RoundTrip(Told):
    """Round trips seen in the interval, milliseconds."""

    min_ms: Amount
    median_ms: Amount
    p95_ms: Amount
    samples: Counter = 0


class DelayBin(Told):
    """Packets that the engine held for less than this long, and not less than the bin before."""

    below_us: Amount
    packets: Counter


class MeasuredDirection(Told):
    """One direction of an attachment in the interval."""

    throughput_bit_s: Amount | None = Field(
        None,
        description="Bits a second of Ethernet frames without checksum that went on to their destination",
    )
    packets_s: Amount | None = Field(
        None, description="Packets a second that went on, each segment of a GSO packet being one"
    )
    dropped_packets: Annotated[dict[Reason, Counter], Field(max_length=64)] | None = Field(
        None, description="Packets dropped in the interval, by reason as `describe workload` names it"
    )
    rtt: RoundTrip | None = Field(
        None,
        description="From the attachment to where this direction's packets go, and back: TCP data to its"
        " acknowledgement, which may wait for more data (RFC 9293 section 3.8.6.3)",
    )
    loss: Fraction | None = Field(
        None, description="Share of the packets that had to be sent again: what TCP takes for lost"
    )
    loss_packets: Counter | None = Field(None, description="Packets that `loss` is the share of")
    jitter_ms: Amount | None = Field(
        None,
        description="How much a round trip differs from the one before on the same connection, on average"
        " (RFC 3550 section 6.4.1, of round trips)",
    )
    queue_depth_packets: Amount | None = Field(
        None, description="Packets waiting in the engine, delay line included, on average"
    )
    delay: Annotated[tuple[DelayBin, ...], Field(max_length=128)] | None = Field(
        None, description="How long the engine held packets that left in the interval"
    )


class Measured(Told):
    """Measured conditions of one attachment over one interval."""

    interval_s: Annotated[float, Field(strict=True, gt=0, le=3600)] = Field(
        description="How long the interval was, to which rates and counts refer"
    )
    age_s: Amount = Field(
        0.0, description="How long ago it ended when this was told: the clocks of hosts need not agree"
    )
    egress: MeasuredDirection = MeasuredDirection()
    ingress: MeasuredDirection = MeasuredDirection()

    def direction(self, name: Direction) -> MeasuredDirection:
        return self.egress if name == "egress" else self.ingress


HISTORY: Final = 120
"""Samples that are kept of an attachment: two minutes at one a second."""


class MeasuredReport(Frozen):
    """What an agent measured of a workload since it last said so."""

    anew: StrictBool = Field(
        False, description="What was reported before is of another attachment, and to be forgotten"
    )
    samples: Annotated[tuple[Measured, ...], Field(max_length=HISTORY)] = Field(
        description="Oldest first, their intervals one behind the other"
    )


def rows(measured: Measured) -> list[tuple[str, str, str]]:
    """(what, egress, ingress) as a person reads it, without what neither direction has."""
    sides = [_shown(measured.direction(name)) for name in DIRECTIONS]
    found = [(what, *(side[what] for side in sides)) for what in sides[0]]
    return [(what, egress, ingress) for what, egress, ingress in found if (egress, ingress) != ("-", "-")]


def _shown(side: MeasuredDirection) -> dict[str, str]:
    rtt, samples = side.rtt, f" of {side.loss_packets:,}" if side.loss_packets else ""
    return {
        "throughput": _number(side.throughput_bit_s, "Mbit/s", 1e-6),
        "round trip, median": _number(rtt.median_ms if rtt else None, "ms"),
        "round trip, 95 %": _number(rtt.p95_ms if rtt else None, "ms"),
        "jitter of it": _number(side.jitter_ms, "ms"),
        "sent again": _number(side.loss, f"%{samples}", 100),
        "waiting in the engine": _number(side.queue_depth_packets, "packets"),
    }


def _number(value: float | None, unit: str, scale: float = 1) -> str:
    return "-" if value is None else f"{value * scale:.3g} {unit}"


@dataclass(frozen=True, slots=True)
class Sample:
    """Measured conditions on the clock of who received them."""

    at_s: float
    """When the interval ended, seconds since the epoch."""
    measured: Measured

    @property
    def begins_s(self) -> float:
        """When the interval began."""
        return self.at_s - self.measured.interval_s


def received(measured: Measured, now_s: float) -> Sample:
    """A sample that was told at `now_s`."""
    return Sample(now_s - measured.age_s, measured)
