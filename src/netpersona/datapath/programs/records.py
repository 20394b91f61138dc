"""Records of the shared memory as values."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from netpersona.datapath.types import Counters, EngineStats, LaneStats, Tally

if TYPE_CHECKING:
    from netpersona._engine import CounterRecord, EngineRecord, LaneRecord, LaneStatsRecord

HEARTBEAT_DEAD_NS = 150_000_000
"""`NP_HEARTBEAT_DEAD_NS` of bpf/layout.h: older, and the kernel programs do without the engine."""

_TALLIES = frozenset(field.name for field in fields(Counters) if isinstance(field.default, Tally))


def counters(record: CounterRecord) -> Counters:
    plain: dict[str, Any] = dict(record)
    values: dict[str, Any] = {
        name: Tally(*value) if name in _TALLIES else value for name, value in plain.items()
    }
    return Counters(**values)


def lane_stats(record: LaneStatsRecord, lane: LaneRecord) -> LaneStats:
    return LaneStats(**record, sent=lane["sent"], settled=lane["settled"])


def engine_stats(record: EngineRecord, now_ns: int) -> EngineStats:
    beat = record["heartbeat_ns"]
    age = max(0, now_ns - beat) if beat else None
    return EngineStats(
        alive=age is not None and age <= HEARTBEAT_DEAD_NS,
        heartbeat_age_ns=age,
        started_ns=record["started_ns"],
        wakeups=record["wakeups"],
        reads=record["reads"],
        writes=record["writes"],
        dropped_memory=record["dropped_memory"],
        unknown_frames=record["unknown_frames"],
        held_bytes=record["held_bytes"],
        held_bytes_limit=record["held_bytes_limit"],
        lateness=tuple(record["lateness"]),
    )
