"""What an assignment would do to a workload's interface, and what of it is refused. Asks no agent."""

from __future__ import annotations

from typing import Final

from netpersona.control.problems import Conflict, Detail, Unprocessable
from netpersona.control.resources.contents import Contents
from netpersona.control.resources.statuses import Statuses
from netpersona.control.store.stored import Assignment, PersonaRef
from netpersona.kinds.hardware import HardwareReport
from netpersona.kinds.persona import from_mapping
from netpersona.kinds.persona.asks import asks_of
from netpersona.kinds.plans import PlannedChange, WorkloadPlan, outage, plan_of

REMEMBERED: Final = 4096
"""Documents of which it is known whether they ask anything of an interface."""


class Plans:
    def __init__(self, contents: Contents, statuses: Statuses) -> None:
        self._contents, self._statuses = contents, statuses
        self._asking: dict[str, bool] = {}

    def plan(self, name: str, was: Assignment, persona: PersonaRef) -> WorkloadPlan:
        """From what is worn to ``persona``, by what the agent said last."""
        before = from_mapping(self._contents.document(was.assigned.persona)) if was.assigned else None
        after = from_mapping(self._contents.document(persona))
        status = self._statuses.get(name)
        hardware = status.hardware if status else None
        report = HardwareReport.model_validate(hardware) if hardware is not None else None
        found = plan_of(before, after, report, status.observed_at if status else None)
        named = {"workload_id": name, "persona_id": persona.persona_id, "persona_revision": persona.revision}
        return found.model_copy(update=named)

    def check(self, name: str, was: Assignment, persona: PersonaRef, *, disruptive: bool, at: str) -> None:
        """Refuses what the interface cannot do, and what takes its link down unless that is allowed.

        Looks at two tables where nothing is asked of the interface, as of nearly all personas.

        Raises:
            Unprocessable, Conflict
        """
        status = self._statuses.get(name)
        saved = status is not None and status.hardware is not None and status.hardware.get("saved")
        if not saved and not self._asks(persona):
            return
        found = self.plan(name, was, persona)
        if found.refusals:
            details = [
                Detail(f"{at}/persona_id", f"{one.pointer} of the persona: {one.detail}", one.remedy)
                for one in found.refusals
            ]
            raise Unprocessable(
                f"the interface of {name} cannot do what {persona.persona_id} asks", errors=details
            )
        if found.disruptive and not disruptive:
            raise Conflict(
                "; ".join(_told(change) for change in found.disruptive),
                remedy="if that is what you want, send allow_disruptive: true",
                pointer=f"{at}/allow_disruptive",
            )

    def _asks(self, persona: PersonaRef) -> bool:
        known = self._asking.get(persona.digest)
        if known is None:
            if len(self._asking) >= REMEMBERED:
                self._asking.clear()
            known = bool(asks_of(from_mapping(self._contents.document(persona))))
            self._asking[persona.digest] = known
        return known


def _told(change: PlannedChange) -> str:
    if change.label is None:
        return f"no agent has said what the interface has, and {change.key} may take its link down"
    return f"{change.key} takes the link down (outage {outage(change.outage_s, change.label)})"
