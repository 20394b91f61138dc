"""Personas made on the fly: written for what an application requires, put on, and retired when unused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from netpersona.control.actions.assignments import Assignments
from netpersona.control.clock import rfc3339
from netpersona.control.identity.calls import OURS, Call
from netpersona.control.problems import Conflict, Refusal
from netpersona.control.resources.contents import Contents
from netpersona.control.resources.context import Context
from netpersona.control.resources.measurements import Measurements
from netpersona.control.resources.personas import WRITTEN_FOR, Personas
from netpersona.control.resources.workloads import Workloads
from netpersona.control.store.protocol import Operation
from netpersona.kinds.persona import from_mapping, to_mapping
from netpersona.kinds.requirement import Requirement, Written, default_name, write
from netpersona.kinds.workload import AssignmentRequest, Workload

GRACE: Final = timedelta(seconds=60)
"""How long one may be unused: it is put on by a commit of its own."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What was written, and the workload that wears it; None of a dry run."""

    written: Written
    workload: Workload | None

    def told(self) -> dict[str, Any]:
        persona = self.written.persona
        return {
            "persona_id": persona.persona_id,
            "persona": to_mapping(persona),
            "reasons": [reason.model_dump() for reason in self.written.reasons],
            "warnings": list(self.written.warnings),
            "dry_run": self.workload is None,
        }


class Requirements:
    def __init__(
        self,
        context: Context,
        personas: Personas,
        workloads: Workloads,
        assignments: Assignments,
        contents: Contents,
        measurements: Measurements,
    ) -> None:
        self._context, self._personas, self._workloads = context, personas, workloads
        self._assignments, self._contents, self._measurements = assignments, contents, measurements

    async def put_on(self, name: str, wanted: Requirement, call: Call = OURS) -> Answered:
        """Writes a persona for what is required, stores it, and assigns it.

        Raises:
            NotFound, PreconditionFailed, Unprocessable, Conflict: a person has written one of that name.
        """
        call.condition.check(self._workloads.record(name).revision)
        written = await self.store(name, wanted, call)
        if call.dry_run:
            return Answered(written, None)
        await self._assignments.assign(name, AssignmentRequest(persona_id=written.persona.persona_id), call)
        return Answered(written, self._workloads.get(name))

    async def store(self, name: str, wanted: Requirement, call: Call = OURS) -> Written:
        """Writes and stores it; whoever called puts it on. Raises: NotFound, Unprocessable, Conflict"""
        workload = self._workloads.record(name)
        persona_id = wanted.persona_id or default_name(wanted, name)
        worn = self._workloads.assignment(workload).assigned
        newest = self._measurements.newest(name)
        written = write(
            wanted,
            persona_id,
            measured=newest.measured if newest else None,
            worn=from_mapping(self._contents.document(worn.persona)) if worn else None,
        )
        _, spec = self._personas.read(to_mapping(written.persona))

        def prepare() -> Sequence[Operation]:
            old = self._personas.find(persona_id)
            if old is not None and old.value.get(WRITTEN_FOR) != name:
                raise Conflict(
                    f"persona {persona_id} exists, and was not written for {name}",
                    remedy="name another with persona_id",
                    pointer="/persona_id",
                )
            value = {**self._personas.value(old, spec), WRITTEN_FOR: name}
            return self._personas.write(persona_id, old, value)

        if call.dry_run:
            prepare()
        else:
            await self._personas.commit(prepare)
        return written

    async def retire(self) -> int:
        """Deletes those that nobody uses any longer; returns how many."""
        oldest = rfc3339(self._context.clock() - GRACE)
        retired = 0
        for record in list(self._context.store.list("personas")):
            if record.value.get(WRITTEN_FOR) is None or record.value["updated_at"] > oldest:
                continue
            if self._context.references.users("personas", record.key):
                continue
            try:
                await self._personas.delete(record.key)
                retired += 1
            except Refusal:
                continue  # somebody has just begun to use it
        return retired
