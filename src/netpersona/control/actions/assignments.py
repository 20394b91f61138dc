"""Assignments: which workload wears which persona revision, until when, and what comes after."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from netpersona.control.actions.confirming import judged, require_unconfirmed, unconfirmed, within_of
from netpersona.control.actions.durations import lifetime
from netpersona.control.actions.plans import Plans
from netpersona.control.clock import parse_rfc3339, rfc3339
from netpersona.control.identity.calls import MANAGER, OURS, Call
from netpersona.control.models import NewWorkload
from netpersona.control.problems import Conflict, Unprocessable
from netpersona.control.resources import adapting, transitions
from netpersona.control.resources.contents import Contents, preset_reference
from netpersona.control.resources.context import Context
from netpersona.control.resources.generic import Plan, Value, plan
from netpersona.control.resources.personas import Personas
from netpersona.control.resources.workloads import Workloads
from netpersona.control.store.protocol import CommitConflict, LocalStore, Operation, Record
from netpersona.control.store.stored import Assignment, PersonaRef
from netpersona.kinds.persona import diff, from_mapping
from netpersona.kinds.plans import WorkloadPlan
from netpersona.kinds.shown import brief
from netpersona.kinds.workload import AssignmentRequest, ProbeReport, WorkloadSpec

LONGEST_SLEEP_S: Final = 60.0
"""Bounds how late a lease is noticed when the wall clock is set."""

Become = Callable[[Assignment], Assignment]
"""What an assignment becomes; raises what forbids it."""


class Assignments:
    def __init__(
        self,
        context: Context,
        personas: Personas,
        workloads: Workloads,
        contents: Contents,
        plans: Plans,
    ) -> None:
        self._context, self._store = context, context.store
        self._personas, self._workloads, self._contents = personas, workloads, contents
        self._local = store if isinstance(store := context.store, LocalStore) else None
        self._plans = plans
        self._leased = asyncio.Event()
        self._verdicts: dict[str, ProbeReport] = {}

    async def assign(self, name: str, wanted: AssignmentRequest, call: Call = OURS) -> Record | Plan:
        """Puts a persona on; a plan if it is a dry run. Without a ttl it replaces a trial under way.

        Raises:
            NotFound, PreconditionFailed, Unprocessable
        """
        return await self._change(name, self.becomes(name, wanted), call)

    def plan(self, name: str, wanted: AssignmentRequest) -> WorkloadPlan:
        """Every change that assigning it would make; nothing is stored. Raises NotFound, Unprocessable."""
        was = self._workloads.assignment(self._workloads.record(name))
        return self._plans.plan(
            name, was, self._persona(wanted.persona_id, wanted.persona_revision, "/persona_id")
        )

    def assign_now(self, name: str, wanted: AssignmentRequest, call: Call) -> Record | None:
        """``assign`` without a wait; None where it would have to."""
        if self._local is None:
            return None
        try:
            events = self._local.write(self._operations(name, self.becomes(name, wanted), call))
        except CommitConflict:
            return None
        return self._leased_by(events[0].record)

    async def create(self, wanted: NewWorkload, call: Call = OURS) -> Record | Plan:
        """A new workload, in one commit with what it wears if the request says so.

        Raises:
            Conflict, Unprocessable
        """
        spec = WorkloadSpec.model_construct(**wanted.model_dump(exclude={"workload_id", "persona"}))
        become = self.becomes(wanted.workload_id, wanted.persona, "/persona") if wanted.persona else None

        def value() -> Value:
            new = self._workloads.new(wanted.workload_id, spec)
            return become(Assignment.of(new)).put(new) if become else new

        if call.dry_run:
            value()
            return self._workloads.plan(None, spec)
        write = self._workloads.write
        return self._leased_by(await self._workloads.commit(lambda: write(wanted.workload_id, None, value())))

    async def release(self, name: str, call: Call = OURS) -> Record | Plan:
        """Takes the persona off. Nothing changes for a workload that wears none.

        Raises:
            NotFound, PreconditionFailed
        """
        workload = self._workloads.record(name)
        if not call.dry_run and Assignment.of(workload.value).assigned is None:
            call.condition.check(workload.revision)
            return workload
        return await self._change(name, transitions.released, call)

    async def rollback(self, name: str, call: Call = OURS) -> Record | Plan:
        """Puts on what was worn before, at the very revision it had; a second rollback undoes the first.

        What undoes the rollback of a release is another release: a second rollback is refused.

        Raises:
            NotFound, PreconditionFailed, Conflict: there is nothing to go back to.
        """

        def become(was: Assignment) -> Assignment:
            if was.previous is None:
                raise Conflict(
                    f"workload {name} wore nothing before", remedy="DELETE its persona to release it"
                )
            return transitions.rolled_back(was, was.previous, assigned_at=self._context.now())

        return await self._change(name, become, call)

    async def confirm(self, name: str, call: Call = OURS) -> Record | Plan:
        """Keeps what ``confirm_within`` was asked for: its end is taken away, and nothing else changes.

        Raises:
            NotFound, PreconditionFailed, Conflict: nothing waits for it, or it comes too late.
        """
        now = self._context.clock

        def become(was: Assignment) -> Assignment:
            require_unconfirmed(name, was, now())
            return transitions.confirmed(was)

        return await self._change(name, become, call)

    def judge(self, name: str, report: ProbeReport) -> None:
        """An agent's verdict on a probe: confirms the assignment, or takes it back; soon, and once."""
        self._verdicts[name] = report
        self._leased.set()

    async def expire(self) -> datetime | None:
        """Rewrites every assignment whose time has passed to its fallback; returns when the next one passes.

        The data path has switched by itself; this makes the manager say so.
        """
        await self._follow_verdicts()
        now = self._context.clock()
        leases = [(due, r.key) for r in self._store.list("workloads") if (due := _due(r)) is not None]
        for name in (name for due, name in leases if due <= now):
            await self._expire(name, now)
        return min((due for due, _ in leases if due > now), default=None)

    async def expire_forever(self) -> None:
        while True:
            self._leased.clear()
            due = await self.expire()
            left = (due - self._context.clock()).total_seconds() if due else LONGEST_SLEEP_S
            try:
                async with asyncio.timeout(min(max(left, 0.0), LONGEST_SLEEP_S)):
                    await self._leased.wait()
            except TimeoutError:
                continue

    async def _follow_verdicts(self) -> None:
        for name, report in list(self._verdicts.items()):
            await self._context.commit(partial(self._judged, name, report))
            if self._verdicts.get(name) is report:
                del self._verdicts[name]

    def _judged(self, name: str, report: ProbeReport) -> Sequence[Operation]:
        workload = self._workloads.find(name)
        was = self._workloads.assignment(workload) if workload else None
        after = judged(was, report, self._context.clock()) if was else None
        return self._written(workload, after, workload.value) if workload and after else ()

    async def _expire(self, name: str, now: datetime) -> None:
        def prepare() -> Sequence[Operation]:
            workload = self._workloads.find(name)
            due = _due(workload) if workload else None
            if workload is None or due is None or due > now:
                return ()  # somebody was quicker
            after = transitions.expired(self._workloads.assignment(workload))
            return self._written(workload, after, adapting.resumed(workload.value))

        await self._context.commit(prepare)

    async def _change(self, name: str, become: Become, call: Call) -> Record | Plan:
        if call.dry_run:
            workload = self._workloads.record(name)
            call.condition.check(workload.revision)
            was = self._workloads.assignment(workload)
            return self._plan(was, become(was))
        return self._leased_by(await self._workloads.commit(lambda: self._operations(name, become, call)))

    def _operations(self, name: str, become: Become, call: Call) -> Sequence[Operation]:
        workload = self._workloads.record(name)
        call.condition.check(workload.revision)
        after, value = become(self._workloads.assignment(workload)), workload.value
        if call.caller is not MANAGER:
            until = after.assigned.expires_at if after.assigned else None
            value = adapting.paused(value, call.caller.name, self._context.now(), until)
        return self._written(workload, after, value)

    def _written(self, workload: Record, after: Assignment, value: Value) -> Sequence[Operation]:
        return self._workloads.write(workload.key, workload, after.put(value))

    def _leased_by(self, workload: Record) -> Record:
        if _due(workload) is not None:
            self._leased.set()
        return workload

    def becomes(self, name: str, wanted: AssignmentRequest, at: str = "") -> Become:
        """What an assignment becomes by a request, ``at`` being where it has it. Raises Unprocessable."""
        within = within_of(wanted, at)
        ttl = _ttl(wanted, at)

        def become(was: Assignment) -> Assignment:
            persona = self._persona(wanted.persona_id, wanted.persona_revision, f"{at}/persona_id")
            self._plans.check(name, was, persona, disruptive=wanted.allow_disruptive, at=at)
            now = self._context.clock()
            if within is not None:
                return unconfirmed(was, persona, now, within, wanted)
            return transitions.assigned(
                was,
                persona,
                assigned_at=rfc3339(now),
                expires_at=rfc3339(now + ttl) if ttl else None,
                fallback=self._fallback(was, wanted, at) if ttl else None,
                disruptive=wanted.allow_disruptive,
            )

        return become

    def _fallback(self, was: Assignment, wanted: AssignmentRequest, at: str) -> PersonaRef | None:
        if wanted.fallback is not None:
            return self._persona(wanted.fallback, wanted.fallback_revision, f"{at}/fallback")
        current = was.assigned
        # A second trial falls back to where the first would have: trials do not nest.
        if current is not None and current.expires_at:
            return current.fallback
        return current.persona if current else None

    def _persona(self, name: str, revision: int | None, pointer: str) -> PersonaRef:
        found = self._personas.reference(name, revision)
        if found is None and revision is None:
            found = preset_reference(name)
        if found is not None:
            return found
        if revision is not None and (self._personas.find(name) or preset_reference(name)):
            raise Unprocessable(
                f"revision {revision} of {brief(name)} is not kept",
                remedy="leave the revision out to take the newest",
                pointer=pointer.removesuffix("_id") + "_revision",
            )
        raise Unprocessable(
            f"there is no persona and no preset {brief(name)}",
            remedy="create it with POST /v1/personas, or take one of GET /v1/presets",
            pointer=pointer,
        )

    def _plan(self, was: Assignment, after: Assignment) -> Plan:
        before, then = (
            from_mapping(self._contents.document(one.assigned.persona)) if one.assigned else None
            for one in (was, after)
        )
        return plan(diff(before, then))


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
