"""What became of a workload's packets, from the counters that its agent reports.

Kernel counters and lane statistics are bpf/layout.h's; GSO packets count as their segments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

DIRECTIONS = ("egress", "ingress")

KERNEL_DROPS = {
    "dropped_rule": "filtering rule",
    "dropped_default": "default action",
    "dropped_profile": "security profile",
    "dropped_fragment": "fragment of unknown datagram",
    "dropped_engine": "engine dead",
    "malformed": "malformed",
}
ENGINE_DROPS = {
    "lost": "loss",
    "dropped_queue": "queue full",
    "dropped_line": "delay line full",
    "dropped_ring": "detour ring full",
    "dropped_emit": "kernel did not take it back",
    "flushed": "flushed by a switch",
    "answered": "too big, answered with ICMP",
}
ENGINE_DEEDS = {
    "duplicated": "duplicated",
    "corrupted": "corrupted",
    "reordered": "sent ahead (reorder)",
    "fragmented": "fragmented",
    "held": "under way now",
}
FLOWS = {
    "flows_created": "connections tracked",
    "flows_closed": "connections closed",
    "flows_refused": "connections not tracked: table full",
}

Status = Mapping[str, Any]


def delivered(status: Status | None, direction: str) -> int:
    """Packets that went on: straight from the kernel, or out of the engine (duplicates included)."""
    passed = _packets(status, direction, "passed")
    return max(0, passed - _packets(status, direction, "detoured") + _lane(status, direction, "emitted"))


def dropped(status: Status | None, direction: str) -> dict[str, int]:
    """Packets that did not go on, by reason; reasons without any are left out."""
    counts = {reason: _packets(status, direction, key) for key, reason in KERNEL_DROPS.items()}
    counts |= {reason: _lane(status, direction, key) for key, reason in ENGINE_DROPS.items()}
    return {reason: count for reason, count in counts.items() if count}


def at_a_glance(status: Status | None) -> str:
    """Drops of both directions in a few words."""
    total: dict[str, int] = {}
    for direction in DIRECTIONS:
        for reason, count in dropped(status, direction).items():
            total[reason] = total.get(reason, 0) + count
    ordered = sorted(total.items(), key=lambda item: -item[1])
    return ", ".join(f"{count:,} {reason}" for reason, count in ordered) or "-"


def table(status: Status) -> list[tuple[str, int, int]]:
    """(what, egress, ingress) in packets; what never happened is left out, deliveries never."""
    egress, ingress = (delivered(status, direction) for direction in DIRECTIONS)
    return [("delivered", egress, ingress), *_happened(status)]


def _happened(status: Status) -> Iterator[tuple[str, int, int]]:
    sides = [_counts(status, direction) for direction in DIRECTIONS]
    for what in sides[0]:
        egress, ingress = (side[what] for side in sides)
        if egress or ingress:
            yield what, egress, ingress


def _counts(status: Status, direction: str) -> dict[str, int]:
    """Everything that may happen to a packet but its delivery, in the order in which it is shown."""
    counts = {f"dropped: {why}": _packets(status, direction, key) for key, why in KERNEL_DROPS.items()}
    counts |= {f"dropped: {why}": _lane(status, direction, key) for key, why in ENGINE_DROPS.items()}
    counts |= {what: _lane(status, direction, key) for key, what in ENGINE_DEEDS.items()}
    counts["passed without conditions: engine dead"] = _packets(status, direction, "bypassed")
    return counts | {what: _count(status, direction, key) for key, what in FLOWS.items()}


def measured_between(before: Status, after: Status) -> dict[str, Any] | None:
    """What counters say of the time between two reports, as `measured.Measured` has it.

    None where there was no time in between, or counting began anew.
    """
    moments = [status.get("observed_at") for status in (before, after)]
    if None in moments or before.get("attachment") != after.get("attachment"):
        return None
    first, last = (datetime.fromisoformat(str(moment)) for moment in moments)
    interval_s = (last - first).total_seconds()
    sides = {direction: _measured(before, after, direction, interval_s) for direction in DIRECTIONS}
    if not 0 < interval_s <= LONGEST_INTERVAL_S or None in sides.values():
        return None
    return {"interval_s": interval_s, **sides}


LONGEST_INTERVAL_S = 30.0
"""Reports that lie further apart say nothing of how it is now."""


def _measured(before: Status, after: Status, direction: str, interval_s: float) -> dict[str, Any] | None:
    was, now = (delivered(status, direction) for status in (before, after))
    old, new = (_section(status, "counters", direction).get("passed") or {} for status in (before, after))
    packets, passed = now - was, int(new.get("packets") or 0) - int(old.get("packets") or 0)
    carried = int(new.get("bytes") or 0) - int(old.get("bytes") or 0)
    earlier = dropped(before, direction)
    drops = {why: count - earlier.get(why, 0) for why, count in dropped(after, direction).items()}
    if min(packets, passed, carried, *drops.values()) < 0 or interval_s <= 0:
        return None
    share = min(1.0, packets / passed) if passed else 0.0
    return {
        "packets_s": packets / interval_s,
        "throughput_bit_s": 8 * carried * share / interval_s,
        "dropped_packets": {why: count for why, count in drops.items() if count},
    }


def seeds(status: Status) -> str | None:
    """Seeds in force, or None where no random decision was made."""
    found = [_lane(status, direction, "seed") for direction in DIRECTIONS]
    return ", ".join(f"{d} {seed}" for d, seed in zip(DIRECTIONS, found, strict=True) if seed) or None


def _packets(status: Status | None, direction: str, key: str) -> int:
    tally = _section(status, "counters", direction).get(key) or {}
    return int(tally.get("packets") or 0)


def _count(status: Status | None, direction: str, key: str) -> int:
    return int(_section(status, "counters", direction).get(key) or 0)


def _lane(status: Status | None, direction: str, key: str) -> int:
    return int(_section(status, "lanes", direction).get(key) or 0)


def _section(status: Status | None, section: str, direction: str) -> Mapping[str, Any]:
    return ((status or {}).get(section) or {}).get(direction) or {}
