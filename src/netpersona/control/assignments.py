"""Assignments: which workload wears which persona revision, until when, and what comes after."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from netpersona.control.clock import parse_rfc3339, rfc3339
from netpersona.control.conditions import ALWAYS, Condition
from netpersona.control.desk import PERSONAS, WORKLOADS, Desk
from netpersona.control.documents import plan
from netpersona.control.durations import lifetime
from netpersona.control.models import NewWorkload
from netpersona.control.personas import Personas
from netpersona.control.presets import preset
from netpersona.control.problems import Conflict, Unprocessable
from netpersona.control.store import Event, Put, Record
from netpersona.control.wear import assigned, expired, released, worn_of
from netpersona.control.workloads import Workloads
from netpersona.kinds.shown import brief
from netpersona.kinds.workload import AssignmentRequest

LONGEST_SLEEP_S: Final = 60.0
"""Bounds how late a lease is noticed when the wall clock is set."""


class Assignments:
    def __init__(self, desk: Desk, personas: Personas, workloads: Workloads) -> None:
        self._desk, self._store = desk, desk.store
        self._personas, self._workloads = personas, workloads
        self._leased = asyncio.Event()

    async def assign(
        self,
        workload_id: str,
        wanted: AssignmentRequest,
        condition: Condition = ALWAYS,
        *,
        dry_run: bool = False,
    ) -> Record | dict[str, Any]:
        """Puts a persona on; a plan if ``dry_run``. Without a ttl it replaces a trial that is under way.

        Raises:
            NotFound, PreconditionFailed, Unprocessable
        """
        ttl = _ttl(wanted)
        async with self._desk.turn:
            workload = self._workloads.get(workload_id)
            condition.check(workload.revision)
            value = self._assigned(workload.value, wanted, ttl)
            if dry_run:
                return _plan(workload, value["assignment"])
            return await self._commit(workload, value)

    def assign_now(self, workload_id: str, wanted: AssignmentRequest, condition: Condition) -> Record | None:
        """``assign`` without a wait; None where it would have to: somebody else's turn is under way."""
        ttl = _ttl(wanted)
        if self._desk.turn.locked():
            return None
        workload = self._workloads.get(workload_id)
        condition.check(workload.revision)
        value = self._assigned(workload.value, wanted, ttl)
        return self._stored(value, self._store.write([_put(workload, value)]))

    async def create(self, wanted: NewWorkload, *, dry_run: bool = False) -> Record | dict[str, Any]:
        """A new workload, in one commit with what it wears if the request says so.

        Raises:
            Conflict, Unprocessable
        """
        persona = wanted.persona
        if persona is None:
            return await self._workloads.create(wanted, dry_run=dry_run)
        ttl = _ttl(persona, "/persona")
        created = await self._workloads.create(
            wanted, lambda value: self._assigned(value, persona, ttl, "/persona"), dry_run=dry_run
        )
        if ttl is not None:
            self._leased.set()
        return created

    async def release(
        self, workload_id: str, condition: Condition = ALWAYS, *, dry_run: bool = False
    ) -> Record | dict[str, Any]:
        """Takes the persona off; a plan if ``dry_run``. Nothing changes for a workload that wears none.

        Raises:
            NotFound, PreconditionFailed
        """
        async with self._desk.turn:
            workload = self._workloads.get(workload_id)
            condition.check(workload.revision)
            if dry_run:
                return _plan(workload, None)
            if workload.value["assignment"] is None:
                return workload
            return await self._commit(workload, released(workload.value, sequence=self._sequence()))

    async def rollback(
        self, workload_id: str, condition: Condition = ALWAYS, *, dry_run: bool = False
    ) -> Record | dict[str, Any]:
        """Puts on what was worn before, at the very revision it had; a second rollback undoes the first.

        What undoes the rollback of a release is another release: a second rollback is refused.

        Raises:
            NotFound, PreconditionFailed, Conflict: there is nothing to go back to.
        """
        async with self._desk.turn:
            workload = self._workloads.get(workload_id)
            condition.check(workload.revision)
            previous = workload.value["previous"]
            if previous is None:
                raise Conflict(
                    f"workload {workload_id} wore nothing before", remedy="DELETE its persona to release it"
                )
            if dry_run:
                return _plan(workload, previous)
            worn = {**previous, "follows": False}
            value = assigned(workload.value, worn, sequence=self._sequence(), assigned_at=self._desk.now())
            before = worn_of(workload.value["assignment"])
            return await self._commit(workload, {**value, "previous": before})

    async def expire(self) -> datetime | None:
        """Rewrites every assignment whose time has passed to its fallback; returns when the next one passes.

        The data path has switched by itself; this makes the manager say so.
        """
        async with self._desk.turn:
            now = self._desk.clock()
            leases = [(due, record) for record in self._store.list(WORKLOADS) if (due := _due(record))]
            passed = [
                Put(WORKLOADS, r.key, expired(r.value, sequence=self._sequence()), r.revision)
                for due, r in leases
                if due <= now
            ]
            if passed:
                await self._store.commit(passed)
            return min((due for due, _ in leases if due > now), default=None)

    async def expire_forever(self) -> None:
        while True:
            self._leased.clear()
            due = await self.expire()
            left = (due - self._desk.clock()).total_seconds() if due else LONGEST_SLEEP_S
            try:
                async with asyncio.timeout(min(max(left, 0.0), LONGEST_SLEEP_S)):
                    await self._leased.wait()
            except TimeoutError:
                continue

    async def _commit(self, workload: Record, value: Mapping[str, Any]) -> Record:
        return self._stored(value, await self._store.commit([_put(workload, value)]))

    def _stored(self, value: Mapping[str, Any], events: Sequence[Event]) -> Record:
        if value["assignment"] and value["assignment"]["expires_at"]:
            self._leased.set()
        return events[0].record

    def _assigned(
        self, stored: Mapping[str, Any], wanted: AssignmentRequest, ttl: timedelta | None, at: str = ""
    ) -> dict[str, Any]:
        """What is stored of a workload, wearing what is wanted. ``at`` is where the request has that."""
        worn = self._worn(wanted.persona_id, wanted.persona_revision, f"{at}/persona_id")
        now = self._desk.clock()
        return assigned(
            stored,
            worn,
            sequence=self._sequence(),
            assigned_at=rfc3339(now),
            expires_at=rfc3339(now + ttl) if ttl else None,
            fallback=self._fallback(stored, wanted, ttl, at),
        )

    def _sequence(self) -> int:
        """Above every sequence given before: each of them took a revision."""
        return self._store.revision + 1

    def _fallback(
        self, stored: Mapping[str, Any], wanted: AssignmentRequest, ttl: timedelta | None, at: str
    ) -> dict[str, Any] | None:
        if ttl is None:
            return None
        if wanted.fallback is not None:
            return self._worn(wanted.fallback, wanted.fallback_revision, f"{at}/fallback")
        current = stored["assignment"]
        # A second trial falls back to where the first would have: trials do not nest.
        return current["fallback"] if current and current["expires_at"] else worn_of(current)

    def _worn(self, persona_id: str, revision: int | None, pointer: str = "/persona_id") -> dict[str, Any]:
        if revision is not None:
            spec = self._personas.revision(persona_id, revision)
            if spec is not None:
                return _wear(persona_id, revision, spec, follows=False)
            self._find(persona_id, pointer)
            raise Unprocessable(
                f"revision {revision} of {persona_id} is not kept",
                remedy="leave the revision out to take the newest",
                pointer="/persona_revision" if pointer == "/persona_id" else f"{pointer}_revision",
            )
        return self._find(persona_id, pointer)

    def _find(self, persona_id: str, pointer: str) -> dict[str, Any]:
        record = self._store.get(PERSONAS, persona_id)
        if record is not None:
            return _wear(persona_id, record.revision, record.value["spec"], follows=True)
        shipped = preset(persona_id)
        if shipped is not None:
            return _wear(persona_id, 0, shipped, follows=False)
        raise Unprocessable(
            f"there is no persona and no preset {brief(persona_id)}",
            remedy="create it with POST /v1/personas, or take one of GET /v1/presets",
            pointer=pointer,
        )


def _put(workload: Record, value: Mapping[str, Any]) -> Put:
    return Put(WORKLOADS, workload.key, value, workload.revision)


def _wear(persona_id: str, revision: int, spec: Mapping[str, Any], *, follows: bool) -> dict[str, Any]:
    return {"persona_id": persona_id, "persona_revision": revision, "persona": spec, "follows": follows}


def _ttl(wanted: AssignmentRequest, at: str = "") -> timedelta | None:
    """Raises: Unprocessable"""
    ttl = lifetime(wanted.ttl, f"{at}/ttl") if wanted.ttl is not None else None
    if wanted.fallback is not None and ttl is None:
        raise Unprocessable(
            "a fallback without a ttl never follows",
            remedy="add ttl, or remove fallback",
            pointer=f"{at}/fallback",
        )
    if wanted.fallback_revision is not None and wanted.fallback is None:
        raise Unprocessable(
            "fallback_revision without a fallback",
            remedy="add fallback",
            pointer=f"{at}/fallback_revision",
        )
    return ttl


def _due(workload: Record) -> datetime | None:
    assignment = workload.value["assignment"]
    return parse_rfc3339(assignment["expires_at"]) if assignment and assignment["expires_at"] else None


def _plan(workload: Record, worn: Mapping[str, Any] | None) -> dict[str, Any]:
    current = workload.value["assignment"]
    return plan(current["persona"] if current else None, worn["persona"] if worn else None)
