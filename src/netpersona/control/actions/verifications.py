"""Verifications: probes that a person asks for and an agent sends, one after another on a host."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from netpersona.control.actions.durations import duration_s
from netpersona.control.identity.calls import OURS, Call
from netpersona.control.problems import Conflict, NotFound
from netpersona.control.resources.context import Context
from netpersona.control.resources.workloads import VERIFICATIONS, Workloads
from netpersona.control.store.protocol import Check, Delete, Event, EventType, Operation, Put, Record
from netpersona.kinds.shown import brief
from netpersona.kinds.verification import (
    OPEN,
    VERIFICATION,
    Verification,
    VerificationRequest,
    VerificationResult,
    VerificationState,
)

KEPT_BOUND: Final = 16
"""Verifications kept for each workload; the oldest goes first."""
CANCELLED: Final = {"state": "cancelled", "message": "cancelled before it was done", "rows": []}


class Verifications:
    def __init__(self, context: Context, workloads: Workloads) -> None:
        self._context, self._store, self._workloads = context, context.store, workloads
        self._last_us = 0
        self._open: dict[str, Record] = {}
        for record in self._store.list(VERIFICATIONS):
            self._note(record)
        self._store.listen(self._heard)

    def list(self, workload_id: str) -> Sequence[Record]:
        """Oldest first. Raises NotFound."""
        self._workloads.record(workload_id)
        return self._store.list(VERIFICATIONS, prefix=f"{workload_id}/")

    def record(self, workload_id: str, verification_id: str) -> Record:
        self._workloads.record(workload_id)
        record = self._store.get(VERIFICATIONS, f"{workload_id}/{verification_id}")
        if record is None:
            raise NotFound(
                f"workload {workload_id} has no verification {brief(verification_id)}",
                remedy=f"the last {KEPT_BOUND} are kept; ask for a new one with POST",
            )
        return record

    def open(self) -> Sequence[Record]:
        """Not finished, in the order in which they were asked for."""
        return sorted(self._open.values(), key=_name)

    def resource(self, record: Record) -> Verification:
        return self.resources([record])[0]

    def resources(self, records: Sequence[Record]) -> Sequence[Verification]:
        """As they are shown now, with how many of the same host come before each."""
        positions = self._positions()
        return [_resource(record, positions.get(record.key)) for record in records]

    async def request(self, workload_id: str, wanted: VerificationRequest, call: Call = OURS) -> Record:
        """Of a workload, whose revision the call's condition is about.

        Raises: NotFound, PreconditionFailed, Unprocessable
        """
        if wanted.interval is not None:
            duration_s(wanted.interval, "/interval", low_s=100e-6, high_s=10)
        duration_s(wanted.at_most, "/at_most", low_s=1, high_s=3600)
        key = f"{workload_id}/{self._new_id()}"
        state = VerificationState(requested_at=self._context.now()).model_dump(
            mode="json", exclude={"position"}
        )
        value = {"spec": wanted.model_dump(), **state}

        def prepare() -> Sequence[Operation]:
            workload, kept = self._workloads.record(workload_id), self.list(workload_id)
            call.condition.check(workload.revision)
            surplus = kept[: max(0, len(kept) - KEPT_BOUND + 1)]
            there = Check(workload.kind, workload.key, workload.revision)
            return [Put(VERIFICATIONS, key, value, 0), there, *(Delete(r.kind, r.key) for r in surplus)]

        return (await self._context.commit(prepare))[0].record

    async def report(
        self, workload_id: str, verification_id: str, result: VerificationResult, call: Call = OURS
    ) -> Record:
        """Writes that it is under way, or once what came of it.

        Raises:
            NotFound, PreconditionFailed
            Conflict: it is finished already.
        """
        if result.state != "running":
            outcome = result.model_dump(mode="json", exclude={"takes_s"})
            return await self._write(workload_id, verification_id, outcome, call, finished=True)
        outcome = result.model_dump(include={"state", "takes_s", "message"})
        begun = {**outcome, "started_at": self._context.now()}
        return await self._write(workload_id, verification_id, begun, call)

    async def cancel(self, workload_id: str, verification_id: str, call: Call = OURS) -> Record:
        """Its agent stops it; what is finished stays as it is. Raises: NotFound, PreconditionFailed"""
        record = self.record(workload_id, verification_id)
        if record.value["state"] not in OPEN:
            return record
        return await self._write(workload_id, verification_id, CANCELLED, call, finished=True)

    async def _write(
        self,
        workload_id: str,
        verification_id: str,
        outcome: Mapping[str, Any],
        call: Call,
        *,
        finished: bool = False,
    ) -> Record:
        def prepare() -> Sequence[Operation]:
            record = self.record(workload_id, verification_id)
            call.condition.check(record.revision)
            if record.value["state"] in OPEN:
                ended = {"finished_at": self._context.now() if finished else None}
                return [Put(VERIFICATIONS, record.key, {**record.value, **outcome, **ended}, record.revision)]
            if any(record.value[key] != outcome[key] for key in outcome):
                raise Conflict(
                    f"verification {_name(record)} is {record.value['state']}",
                    remedy="ask for a new one with POST",
                )
            return ()

        await self._context.commit(prepare)
        return self.record(workload_id, verification_id)

    def _new_id(self) -> str:
        """Sorts by time, and differs from what another manager gives at the same time."""
        self._last_us = max(self._last_us + 1, int(self._context.clock().timestamp() * 1e6))
        return f"v{self._last_us:014x}{secrets.token_hex(2)}"

    def _positions(self) -> Mapping[str, int]:
        before: Counter[str] = Counter()
        positions: dict[str, int] = {}
        for record in self.open():
            host = self._workloads.host(record)
            positions[record.key] = before[host]
            before[host] += 1
        return positions

    def _heard(self, event: Event) -> None:
        if event.record.kind == VERIFICATIONS:
            self._open.pop(event.record.key, None)
            if event.type is not EventType.DELETED:
                self._note(event.record)

    def _note(self, record: Record) -> None:
        if record.value["state"] in OPEN:
            self._open[record.key] = record


def _name(record: Record) -> str:
    return record.key.partition("/")[2]


def _resource(record: Record, position: int | None) -> Verification:
    told = {key: value for key, value in record.value.items() if key != "spec"}
    workload_id, _, verification_id = record.key.partition("/")
    state = VerificationState(**{**told, "position": position})
    return Verification(
        VERIFICATION, verification_id, record.value["spec"], state, record.revision, parent=workload_id
    )


def verification_told(record: Record) -> Verification:
    """As a watch tells it: the position changes without an event."""
    return _resource(record, None)
