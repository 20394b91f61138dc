"""Verifications: probes that a person asks for and an agent sends, one after another on a host."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from netpersona.control.desk import VERIFICATIONS, Desk, room_for_one
from netpersona.control.durations import duration_s
from netpersona.control.problems import Conflict, NotFound
from netpersona.control.store import Change, Put, Record
from netpersona.control.workloads import Workloads
from netpersona.kinds.shown import brief
from netpersona.kinds.verification import VerificationRequest, VerificationResult

KEPT_BOUND: Final = 16
"""Verifications kept for each workload; the oldest goes first."""
OPEN: Final = frozenset({"pending", "running"})
"""States that an agent still has something to do about."""
CANCELLED: Final = {"state": "cancelled", "message": "cancelled before it was done", "rows": []}


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

    def open(self) -> Sequence[Record]:
        """Not finished, in the order in which they were asked for."""
        found = [record for record in self._store.list(VERIFICATIONS) if record.value["state"] in OPEN]
        return sorted(found, key=_asked)

    def position(self, record: Record) -> int | None:
        """How many of the same host come before it; None: it is finished."""
        if record.value["state"] not in OPEN:
            return None
        host = self._host(record)
        return sum(self._host(other) == host for other in self.open() if _asked(other) < _asked(record))

    def resource(self, record: Record) -> Mapping[str, Any]:
        return {**verification_resource(record), "position": self.position(record)}

    async def request(self, workload_id: str, wanted: VerificationRequest) -> Record:
        """Raises: NotFound, Unprocessable"""
        if wanted.interval is not None:
            duration_s(wanted.interval, "/interval", low_s=100e-6, high_s=10)
        duration_s(wanted.at_most, "/at_most", low_s=1, high_s=3600)
        async with self._desk.turn:
            kept = self.list(workload_id)
            value = {
                "state": "pending",
                **wanted.model_dump(),
                "requested_at": self._desk.now(),
                "started_at": None,
                "takes_s": None,
                "finished_at": None,
                "message": "",
                "rows": [],
            }
            key = f"{workload_id}/v{self._store.revision + 1:012d}"
            changes: list[Change] = [Put(VERIFICATIONS, key, value, 0), *room_for_one(kept, KEPT_BOUND)]
            events = await self._store.commit(changes)
            return events[0].record

    async def report(self, workload_id: str, verification_id: str, result: VerificationResult) -> Record:
        """Writes that it is under way, or once what came of it.

        Raises:
            NotFound, Conflict: it is finished already.
        """
        async with self._desk.turn:
            record = self.get(workload_id, verification_id)
            if result.state == "running":
                outcome: dict[str, Any] = {
                    **result.model_dump(include={"state", "takes_s", "message"}),
                    "started_at": self._desk.now(),
                }
                return await self._write(record, outcome)
            return await self._write(record, result.model_dump(exclude={"takes_s"}), finished=True)

    async def cancel(self, workload_id: str, verification_id: str) -> Record:
        """Its agent stops it; what is finished stays as it is. Raises NotFound."""
        async with self._desk.turn:
            record = self.get(workload_id, verification_id)
            if record.value["state"] not in OPEN:
                return record
            return await self._write(record, CANCELLED, finished=True)

    async def _write(self, record: Record, outcome: Mapping[str, Any], *, finished: bool = False) -> Record:
        if record.value["state"] not in OPEN:
            if all(record.value[key] == outcome[key] for key in outcome):
                return record
            raise Conflict(
                f"verification {_name(record)} is {record.value['state']}",
                remedy="ask for a new one with POST",
            )
        value = {**record.value, **outcome, "finished_at": self._desk.now() if finished else None}
        events = await self._store.commit([Put(VERIFICATIONS, record.key, value, record.revision)])
        return events[0].record

    def _host(self, record: Record) -> str:
        return str(self._workloads.get(record.key.partition("/")[0]).value["spec"]["host"])


def _asked(record: Record) -> str:
    """Rises with every request: `request` makes it of the revision."""
    return _name(record)


def _name(record: Record) -> str:
    return record.key.partition("/")[2]


def verification_resource(record: Record) -> Mapping[str, Any]:
    workload_id, _, verification_id = record.key.partition("/")
    return {
        "verification_id": verification_id,
        "workload_id": workload_id,
        "revision": record.revision,
        **record.value,
    }
