"""Workloads: what wears personas, and what the agents last said about them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

from netpersona.control.identity.calls import OURS, Call
from netpersona.control.resources import adapting, shown, transitions
from netpersona.control.resources.adapting import Latest
from netpersona.control.resources.contents import Contents
from netpersona.control.resources.context import Context
from netpersona.control.resources.generic import Own, Plan, Resources, Value
from netpersona.control.resources.personas import Personas
from netpersona.control.resources.statuses import Statuses
from netpersona.control.store.protocol import Delete, Operation, Record
from netpersona.control.store.stored import Assignment
from netpersona.kinds.kind import Ref
from netpersona.kinds.workload import WORKLOAD, WorkloadSpec, WorkloadState

VERIFICATIONS, DECISIONS = "verifications", "decisions"


class _Own(Own[WorkloadState]):
    def __init__(
        self, context: Context, personas: Personas, contents: Contents, statuses: Statuses, latest: Latest
    ) -> None:
        super().__init__(WORKLOAD)
        self._context, self._store, self._latest = context, context.store, latest
        self._personas, self._contents, self._statuses = personas, contents, statuses

    def keys(self, old: Record | None, document: Value) -> Value:  # noqa: ARG002
        """A workload that is somewhere else keeps what it wears.

        The sequence starts from the clock, so that it goes on rising when a name is used again.
        """
        return {} if old else Assignment(int(self._context.clock().timestamp() * 1e6)).put({})

    def references(self, value: Value) -> Iterable[Ref]:
        yield from Assignment.of(value).references()
        yield from adapting.references(value)

    def effects(self, old: Record | None, value: Value | None) -> Iterable[Operation]:
        """What the assignment pins is kept; verifications and decisions go with the workload."""
        if value is not None:
            return self._contents.kept(Assignment.of(value))
        name = old.key if old else ""
        found = [r for kind in (VERIFICATIONS, DECISIONS) for r in self._store.list(kind, prefix=f"{name}/")]
        return (Delete(record.kind, record.key) for record in found)

    def states(self, records: Sequence[Record]) -> Sequence[WorkloadState]:
        newest, before = cache(self._personas.newest), cache(self._personas.before)
        document = cache(self._contents.document)
        return [
            shown.workload_state(
                transitions.renewed(Assignment.of(record.value), newest, before),
                document,
                self._statuses.get(record.key),
                self._latest.state(record.key, record.value),
            )
            for record in records
        ]


class Workloads(Resources[WorkloadSpec, WorkloadState]):
    def __init__(
        self, context: Context, personas: Personas, contents: Contents, statuses: Statuses, latest: Latest
    ) -> None:
        super().__init__(context, WORKLOAD, _Own(context, personas, contents, statuses, latest))
        self._personas, self._contents, self._statuses = personas, contents, statuses

    def assignment(self, record: Record) -> Assignment:
        """As it is now: what it follows may have been replaced since it was written."""
        written = Assignment.of(record.value)
        return transitions.renewed(written, self._personas.newest, self._personas.before)

    def assignments(self, records: Sequence[Record]) -> Sequence[Assignment]:
        """``assignment`` of each, in bulk."""
        newest, before = cache(self._personas.newest), cache(self._personas.before)
        return [transitions.renewed(Assignment.of(record.value), newest, before) for record in records]

    def followers(self, persona: str) -> Sequence[Record]:
        """Workloads that wear a persona, or fall back to it, whichever revision of it is the newest."""
        names = self._references.users("personas", persona, "workloads")
        found = (self.find(name) for name in names)
        return [record for record in found if record and _follows(Assignment.of(record.value), persona)]

    def on_host(self, host: str) -> Sequence[Record]:
        found = (self.find(name) for name in self._references.users("hosts", host, "workloads"))
        return [record for record in found if record is not None]

    def host(self, record: Record) -> str:
        """The host of a workload, or of the workload that a record such as a verification belongs to."""
        owner = record if record.kind == WORKLOAD.plural else self.find(record.key.partition("/")[0])
        return str(owner.value["spec"]["host"]) if owner else ""

    def documents(self, assignment: Assignment) -> dict[str, Value]:
        """By digest, of what is worn now and afterwards."""
        assigned = assignment.assigned
        personas = (assigned.persona, assigned.fallback) if assigned else ()
        return {persona.digest: self._contents.document(persona) for persona in personas if persona}

    async def delete(self, name: str, call: Call = OURS) -> Plan | None:
        """Removes the workload; its agent takes the persona off when it sees the deletion."""
        plan = await super().delete(name, call)
        if plan is None:
            self._statuses.forget(name)
        return plan


def _follows(assignment: Assignment, persona: str) -> bool:
    assigned = assignment.assigned
    used = (assigned.persona, assigned.fallback) if assigned else ()
    return any(one is not None and one.follows and one.persona_id == persona for one in used)
