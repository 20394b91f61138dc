"""What the nouns share: the store, the clock, and one turn at a time for whoever reads and then writes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from netpersona.control.clock import Clock, rfc3339
from netpersona.control.store import Delete, Record, Store

PERSONAS = "personas"
PERSONA_REVISIONS = "persona_revisions"
WORKLOADS = "workloads"
VERIFICATIONS = "verifications"


@dataclass(frozen=True, slots=True)
class Desk:
    """``turn`` is held from the first read to the end of the commit, so nothing changes in between.

    Not until the disk has it: those who wait for that wait together, for one sync.
    """

    store: Store
    clock: Clock
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def now(self) -> str:
        return rfc3339(self.clock())

    def wearers(self) -> dict[str, set[str]]:
        """For each persona the workloads that wear it now or fall back to it."""
        found: dict[str, set[str]] = {}
        for record in self.store.list(WORKLOADS):
            for worn in worn_by(record):
                found.setdefault(worn["persona_id"], set()).add(record.key)
        return found


def worn_by(workload: Record) -> list[dict[str, Any]]:
    """What the workload wears and what it falls back to."""
    assignment = workload.value["assignment"]
    return [worn for worn in (assignment, assignment and assignment["fallback"]) if worn]


def room_for_one(kept: Sequence[Record], bound: int) -> list[Delete]:
    """What must go, oldest first, so that with one more there are ``bound`` at most."""
    return [Delete(record.kind, record.key) for record in kept[: max(0, len(kept) - bound + 1)]]
