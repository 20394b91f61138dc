"""Live measurements of workloads as a person reads them; "-" is what nobody has measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from netpersona.cli.verify import amount
from netpersona.kinds import traffic
from netpersona.kinds.moments import left

if TYPE_CHECKING:
    from netpersona.kinds.measured import Measured, MeasuredDirection
    from netpersona.kinds.workload import Workload

TOP = ("WORKLOAD", "PERSONA", "EGRESS", "INGRESS", "PACKETS/S", "DROPS", "RTT", "LOSS", "LEFT", "PHASE")


def measured_of(workload: Workload) -> Measured | None:
    return workload.state.status.measured if workload.state.status else None


def rows(measured: Measured | None) -> Iterator[tuple[str, str, str]]:
    """Quantity, egress and ingress."""
    for what, cell in _QUANTITIES:
        sides = [getattr(measured, direction) if measured else None for direction in traffic.DIRECTIONS]
        egress, ingress = (cell(side) if side is not None else "-" for side in sides)
        yield what, egress, ingress


def top_row(workload: Workload, now: datetime) -> tuple[str, ...]:
    """Headed by `TOP`. Drops are those of the interval where measured, else since the attachment."""
    measured, worn = measured_of(workload), workload.state.assignment
    sides = [measured.egress, measured.ingress] if measured else []
    return (
        workload.name,
        worn.label if worn else "-",
        *(_rate(side) for side in sides or (None, None)),
        _sum(sides, "packets_s"),
        _drops(workload),
        _worst([side.rtt.median_ms if side.rtt else None for side in sides], "ms"),
        _worst([side.loss for side in sides], ""),
        left(worn.expires_at if worn else None, now).removeprefix("in "),
        workload.state.phase,
    )


def throughput(workload: Workload) -> float:
    """Bits a second of both directions, to sort by."""
    measured = measured_of(workload)
    sides = (measured.egress, measured.ingress) if measured else ()
    return sum(side.throughput_bit_s or 0.0 for side in sides)


def top_data(workload: Workload, now: datetime) -> Mapping[str, Any]:
    """For programs: what the table has, with units in names."""
    measured, worn = measured_of(workload), workload.state.assignment
    ends = datetime.fromisoformat(worn.expires_at) if worn and worn.expires_at else None
    return {
        "workload_id": workload.name,
        "persona_id": worn.persona_id if worn else None,
        "persona_revision": worn.persona_revision if worn else None,
        "measured": measured.model_dump(mode="json") if measured else None,
        "dropped_packets": _dropped(workload),
        "left_s": max(0.0, (ends - now).total_seconds()) if ends else None,
        "phase": workload.state.phase,
    }


def _rate(side: MeasuredDirection | None) -> str:
    return amount(side.throughput_bit_s if side else None, "bit/s")


def _rtt(side: MeasuredDirection) -> str:
    return f"{amount(side.rtt.median_ms, 'ms')} (p95 {amount(side.rtt.p95_ms, 'ms')})" if side.rtt else "-"


def _reasons(side: MeasuredDirection) -> str:
    if side.dropped_packets is None:
        return "-"
    return ", ".join(f"{count:,} {reason}" for reason, count in side.dropped_packets.items() if count) or "0"


def _held(side: MeasuredDirection) -> str:
    """The bin that the middle packet is in."""
    if not side.delay or not (packets := sum(one.packets for one in side.delay)):
        return "-"
    seen = 0
    for one in side.delay:
        seen += one.packets
        if 2 * seen >= packets:
            return f"< {amount(one.below_us / 1000, 'ms')}"
    return "-"


_QUANTITIES: tuple[tuple[str, Callable[[MeasuredDirection], str]], ...] = (
    ("throughput", _rate),
    ("packets/s", lambda side: amount(side.packets_s, "/s").removesuffix("/s")),
    ("dropped", _reasons),
    ("round trip", _rtt),
    ("loss", lambda side: amount(side.loss, "")),
    ("jitter", lambda side: amount(side.jitter_ms, "ms")),
    ("queue depth", lambda side: amount(side.queue_depth_packets, " packets")),
    ("held by the engine", _held),
)


def _sum(sides: list[MeasuredDirection], key: str) -> str:
    known = [value for side in sides if (value := getattr(side, key)) is not None]
    return f"{sum(known):,.0f}" if known else "-"


def _worst(values: list[float | None], unit: str) -> str:
    return amount(max((value for value in values if value is not None), default=None), unit)


def _dropped(workload: Workload) -> int | None:
    measured = measured_of(workload)
    sides = [measured.egress.dropped_packets, measured.ingress.dropped_packets] if measured else []
    if any(side is not None for side in sides):
        return sum(sum(side.values()) for side in sides if side is not None)
    status = workload.state.status
    if status is None:
        return None
    seen = status.model_dump()
    return sum(sum(traffic.dropped(seen, direction).values()) for direction in traffic.DIRECTIONS)


def _drops(workload: Workload) -> str:
    dropped = _dropped(workload)
    return "-" if dropped is None else f"{dropped:,}"
