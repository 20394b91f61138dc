"""Verifications: probes that a person asks for and an agent sends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from netpersona.control.desk import VERIFICATIONS, Desk, room_for_one
from netpersona.control.durations import duration_s
from netpersona.control.models import VerificationRequest, VerificationResult
from netpersona.control.problems import Conflict, NotFound
from netpersona.control.store import Change, Put, Record
from netpersona.control.workloads import Workloads
from netpersona.persona.shown import brief

KEPT_BOUND: Final = 16
"""Verifications kept for each workload; the oldest goes first."""


class Verifications:
    def __init__(self, desk: Desk, workloads: Workloads) -> None:
        self._desk, self._store, self._workloads = desk, desk.store, workloads

    def list(self, workload_id: str) -> Sequence[Record]:
        """Oldest first. Raises NotFound."""
        self._workloads.get(workload_id)
        found = self._store.list(VERIFICATIONS, after=f"{workload_id}/", limit=KEPT_BOUND + 1)
        return [record for record in found if record.key.startswith(f"{workload_id}/")]

    def get(self, workload_id: str, verification_id: str) -> Record:
        self._workloads.get(workload_id)
        record = self._store.get(VERIFICATIONS, f"{workload_id}/{verification_id}")
        if record is None:
            raise NotFound(
                f"workload {workload_id} has no verification {brief(verification_id)}",
                remedy=f"the last {KEPT_BOUND} are kept; ask for a new one with POST",
            )
        return record

    def pending(self) -> Sequence[Record]:
        return [record for record in self._store.list(VERIFICATIONS) if record.value["state"] == "pending"]

    async def request(self, workload_id: str, wanted: VerificationRequest) -> Record:
        """Raises: NotFound, Unprocessable"""
        duration_s(wanted.interval, "/interval", low_s=100e-6, high_s=10)
        async with self._desk.turn:
            kept = self.list(workload_id)
            value = {
                "state": "pending",
                **wanted.model_dump(),
                "requested_at": self._desk.now(),
                "finished_at": None,
                "message": "",
                "rows": [],
            }
            key = f"{workload_id}/v{self._store.revision + 1:012d}"
            changes: list[Change] = [Put(VERIFICATIONS, key, value, 0), *room_for_one(kept, KEPT_BOUND)]
            events = await self._store.commit(changes)
            return events[0].record

    async def finish(self, workload_id: str, verification_id: str, result: VerificationResult) -> Record:
        """Writes what came of it, once.

        Raises:
            NotFound, Conflict: another result is there.
        """
        async with self._desk.turn:
            record = self.get(workload_id, verification_id)
            outcome = result.model_dump()
            if record.value["state"] != "pending":
                if all(record.value[key] == outcome[key] for key in outcome):
                    return record
                raise Conflict(
                    f"verification {verification_id} has its result", remedy="ask for a new one with POST"
                )
            value = {**record.value, **outcome, "finished_at": self._desk.now()}
            events = await self._store.commit([Put(VERIFICATIONS, record.key, value, record.revision)])
            return events[0].record


def verification_resource(record: Record) -> Mapping[str, Any]:
    workload_id, _, verification_id = record.key.partition("/")
    return {
        "verification_id": verification_id,
        "workload_id": workload_id,
        "revision": record.revision,
        **record.value,
    }
