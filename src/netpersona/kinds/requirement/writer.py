"""A complete persona for a requirement, on the path that is measured, with the reason of each value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from netpersona.kinds.base import Frozen
from netpersona.kinds.measured import DIRECTIONS, Direction, Measured, MeasuredDirection
from netpersona.kinds.persona.mapping import from_mapping, to_mapping
from netpersona.kinds.persona.model import Persona
from netpersona.kinds.requirement.applications import Needs, Requirement, needs_of
from netpersona.kinds.units import Duration, Probability, Rate

SHAPED: Final = 0.95
"""Share of a bottleneck's rate at which packets wait here, by priority, and not there."""
QUEUED: Final = 1.5
"""A median round trip of so many shortest ones has a queue in it."""
QUEUE_SHARE: Final = 0.1
"""Of the delay that is allowed, what a full queue may take."""
AQM: Final = "RFC 7567 section 4"
KEPT: Final = (
    "security_profile",
    "established_flows",
    "default_action",
    "filtering_rules",
    "mtu",
    "engine_failure",
)
"""What protects a workload is taken over from what it wears."""
QUEUE: Final = "queue_configuration/0"


class Reason(Frozen):
    """Why a key of the persona has its value."""

    key: str
    value: str
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class Written:
    persona: Persona
    reasons: tuple[Reason, ...]
    warnings: tuple[str, ...]
    """What no persona can give."""


def write(
    wanted: Requirement, name: str, *, measured: Measured | None = None, worn: Persona | None = None
) -> Written:
    """For a workload that wears `worn`; raises PersonaError never: what is written is valid."""
    needs, path = needs_of(wanted), _Path(measured)
    rates = {side: found for side in DIRECTIONS if (found := _rate(needs, path, side))}
    reasons = [
        *_kept_because(worn),
        *_marked_because(needs),
        *(
            Reason(key=f"{s}/bandwidth", value=str(r), why=why, source=by)
            for s, (r, why, by) in rates.items()
        ),
        *_queue_because(needs, slowest := min((rate for rate, _, _ in rates.values()), default=None)),
    ]
    document: dict[str, Any] = {
        "persona_id": name,
        "description": _description(wanted, needs),
        **_kept(worn),
        "dscp": needs.service.dscp,
        "qos_priority": needs.service.qos_priority,
        **{side: {"bandwidth": str(rate)} for side, (rate, _, _) in rates.items()},
        "queue_configuration": [_queue(needs, slowest)],
    }
    return Written(from_mapping(document), tuple(reasons), tuple(_warnings(needs, path)))


@dataclass(frozen=True, slots=True)
class _Path:
    measured: Measured | None

    @property
    def sides(self) -> list[MeasuredDirection]:
        return [self.measured.direction(side) for side in DIRECTIONS] if self.measured else []

    @property
    def shortest_ms(self) -> float | None:
        trips = [side.rtt.min_ms for side in self.sides if side.rtt]
        return sum(trips) if trips else None

    @property
    def is_queued(self) -> bool:
        median = sum(side.rtt.median_ms for side in self.sides if side.rtt)
        return median > QUEUED * (self.shortest_ms or median)

    def rate(self, side: Direction) -> Rate | None:
        seen = self.measured.direction(side).throughput_bit_s if self.measured else None
        return Rate(round(seen)) if seen is not None and Rate.lowest <= seen <= Rate.highest else None


def _description(wanted: Requirement, needs: Needs) -> str:
    asked = [f"{needs.bandwidth} each way"] if wanted.application or wanted.bandwidth else []
    asked += [f"{needs.latency} one way"] if needs.latency else []
    asked += [f"{needs.loss} loss"] if needs.loss else []
    source = f" ({needs.source})" if needs.source else ""
    return f"Written for {wanted.application or 'a requirement'}: {', '.join(asked)}{source}."


def _kept(worn: Persona | None) -> dict[str, Any]:
    document = to_mapping(worn) if worn else {}
    return {key: document[key] for key in KEPT if key in document}


def _kept_because(worn: Persona | None) -> Iterator[Reason]:
    for key in _kept(worn):
        why = f"as {worn.persona_id if worn else ''} has it: it protects the workload"
        yield Reason(key=key, value="as before", why=why, source="what is worn")


def _marked_because(needs: Needs) -> Iterator[Reason]:
    service = needs.service
    yield Reason(key="dscp", value=service.dscp, why=service.name, source=service.source)
    why = f"goes with {service.dscp}"
    yield Reason(key="qos_priority", value=str(service.qos_priority), why=why, source="RFC 4594 figure 3")


def _rate(needs: Needs, path: _Path, side: Direction) -> tuple[Rate, str, str] | None:
    """A limit, if there is a reason for one, why, and by which source."""
    seen, required = path.rate(side), Rate.parse(needs.bandwidth)
    if needs.background:
        why = "half of what is measured, or what is required if that is more: the rest is for others"
        return Rate(max(required, (seen or 0) // 2)), why, "RFC 8622"
    if seen is None or not path.is_queued:
        return None
    why = (
        f"{SHAPED:.0%} of {seen}, at which a queue is measured: packets wait here, by priority, and not there"
    )
    return Rate(max(required, round(SHAPED * seen))), why, AQM


def _queue(needs: Needs, slowest: Rate | None) -> dict[str, Any]:
    length = _queue_length(needs, slowest)
    usecs, frames = _coalescing(needs)
    rules = [{"protocol": flow.protocol, "port": flow.port} for flow in needs.flows]
    return {
        "queue_id": 0,
        "priority": _queue_priority(needs),
        **({"queue_length": length} if length else {}),
        "interrupt_coalescing": {"rx_usecs": usecs, "rx_frames": frames},
        **({"filtering_rules": rules} if rules else {}),
    }


def _queue_because(needs: Needs, slowest: Rate | None) -> Iterator[Reason]:
    priority, length, (usecs, frames) = (
        _queue_priority(needs),
        _queue_length(needs, slowest),
        _coalescing(needs),
    )
    why = "sent before what is in no queue" if priority else "sent when nothing else waits"
    yield Reason(key=f"{QUEUE}/priority", value=str(priority), why=why, source=needs.service.source)
    if length:
        why = (
            f"full, it takes {QUEUE_SHARE:.0%} of {needs.latency} at {slowest}, frames of {needs.frame} bytes"
        )
        yield Reason(key=f"{QUEUE}/queue_length", value=str(length), why=why, source=AQM)
    why = (
        "a NIC holds packets back for little" if needs.latency else "few interrupts: throughput before delay"
    )
    value = f"rx_usecs {usecs}, rx_frames {frames}"
    yield Reason(key=f"{QUEUE}/interrupt_coalescing", value=value, why=why, source="ethtool(8)")
    for flow in needs.flows:
        value = f"{flow.protocol} {flow.port}"
        yield Reason(key=f"{QUEUE}/filtering_rules", value=value, why=flow.what, source=flow.source)


def _queue_priority(needs: Needs) -> int:
    """Of 0 to 7; what is in no queue has 0."""
    return 0 if needs.background else max(1, needs.service.qos_priority - 2)


def _queue_length(needs: Needs, slowest: Rate | None) -> int | None:
    if slowest is None or needs.latency is None:
        return None
    seconds = QUEUE_SHARE * Duration.parse(needs.latency) / 1e9
    return min(1_000_000, max(4, round(slowest * seconds / (8 * needs.frame))))


def _coalescing(needs: Needs) -> tuple[int, int]:
    return (20, 4) if needs.latency else (100, 64)


def _warnings(needs: Needs, path: _Path) -> Iterator[str]:
    if path.measured is None:
        yield "nothing is measured of this workload, so what the path can carry is not known"
    shortest, latency = path.shortest_ms, needs.latency and Duration.parse(needs.latency) / 1e6
    if shortest is not None and latency and shortest / 2 > latency:
        yield f"half of the shortest round trip, {shortest / 2:.0f}ms, is over {needs.latency}"
    losses = [side.loss for side in path.sides if side.loss is not None]
    if losses and needs.loss and max(losses) > Probability.parse(needs.loss):
        yield f"{max(losses):.2%} is lost, over {needs.loss}: a lower rate helps only where a queue loses it"
    for side in DIRECTIONS:
        seen = path.rate(side)
        if path.is_queued and seen is not None and seen < Rate.parse(needs.bandwidth):
            yield f"{side} carries {seen} at its limit, less than the {needs.bandwidth} that is required"
