"""The loop that decides: for each workload that adapts, what `adapt.decide` says of its measurements."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from netpersona.adapt import Decided, Effects, State, decide, effects_of
from netpersona.control.actions.adaptations import Adaptations
from netpersona.control.actions.assignments import Assignments
from netpersona.control.actions.requirements import Requirements
from netpersona.control.problems import Refusal
from netpersona.control.resources import adapting, transitions
from netpersona.control.resources.contents import Contents, preset_reference
from netpersona.control.resources.context import Context
from netpersona.control.resources.measurements import Measurements
from netpersona.control.resources.personas import Personas
from netpersona.control.resources.policies import Policies
from netpersona.control.resources.workloads import Workloads
from netpersona.control.store.protocol import CommitConflict, Operation, Record
from netpersona.control.store.stored import Assignment, PersonaRef
from netpersona.kinds.adaptation import Decision, LoggedDecision
from netpersona.kinds.measured import Sample
from netpersona.kinds.persona import from_mapping
from netpersona.kinds.policy.model import PolicySpec
from netpersona.kinds.workload import AssignmentRequest

EVERY_S: Final = 0.5
"""Pause between two passes: how late a measurement may be looked at."""
SAMPLES_BOUND: Final = 4096
"""Samples kept of a workload, besides the time that its policy looks back."""
EFFECTS_BOUND: Final = 1024

_log = structlog.get_logger(__name__)


class AdaptationLoop:
    """In the manager, which has what agents report, and where persons assign."""

    def __init__(
        self,
        context: Context,
        adaptations: Adaptations,
        assignments: Assignments,
        requirements: Requirements,
        workloads: Workloads,
        policies: Policies,
        personas: Personas,
        contents: Contents,
        measurements: Measurements,
        latest: adapting.Latest,
    ) -> None:
        self._context, self._latest, self._measurements = context, latest, measurements
        self._adaptations, self._assignments = adaptations, assignments
        self._workloads, self._policies, self._requirements = workloads, policies, requirements
        self._personas, self._contents = personas, contents
        self._histories: dict[str, deque[Sample]] = {}
        self._effects: dict[str, Effects] = {}
        self._specs: dict[str, tuple[int, PolicySpec]] = {}
        self._last_us = 0

    async def forever(self) -> None:
        while True:
            await self.step()
            await asyncio.sleep(EVERY_S)

    async def step(self) -> None:
        """One pass over all workloads that adapt."""
        names = self._adaptations.adapting()
        for gone in self._histories.keys() - set(names):
            del self._histories[gone]
        for name in names:
            workload = self._workloads.find(name)
            if workload is not None:
                await self._look(workload)
            await asyncio.sleep(0)  # a switch that a person asks for comes in between

    async def _look(self, workload: Record) -> None:
        adaptation = adapting.adaptation_of(workload.value)
        spec = self._policy(adaptation["policy_id"]) if adaptation else None
        if adaptation is None or spec is None:
            return
        history = self._history(workload.key, spec)
        if adaptation["paused"] is not None:
            return
        if self._adaptations.is_off:
            reason = "adaptation is switched off for all workloads"
            self._latest.put(workload.key, Decision(action="none", reason=reason), self._context.now())
            return
        was = self._workloads.assignment(workload)
        decided = decide(
            spec.of(workload.key),
            history,
            State.model_validate(adaptation["state"]),
            worn=was.assigned.persona.persona_id if was.assigned else None,
            now_s=self._context.clock().timestamp(),
            effects=self._known_effects(spec, was),
        )
        await self._act(workload, was, decided, advise=spec.advise or adaptation["advise"])

    async def _act(self, workload: Record, was: Assignment, decided: Decided, *, advise: bool) -> None:
        decision = decided.decision
        before = self._latest.put(workload.key, decision, self._context.now())
        is_new = before is None or (before.action, before.persona) != (decision.action, decision.persona)
        if decision.action in ("switch", "revert"):
            if not advise:
                await self._carry_out(workload, was, decided, is_new=is_new)
            elif is_new:
                await self._commit(workload, self._log_of(workload, decision, "advised"))
        elif decision.outcome is not None:
            value = _remembering(workload, decided.state)
            written = self._workloads.write(workload.key, workload, value)
            await self._commit(workload, [*written, *self._outcome(workload, decision)])

    async def _carry_out(self, workload: Record, was: Assignment, decided: Decided, *, is_new: bool) -> None:
        decision = decided.decision
        try:
            await self._written(workload, decision.persona)
            after = self._after(workload.key, was, decision.persona)
        except Refusal as refusal:
            if is_new:
                _log.warning("cannot adapt", workload=workload.key, error=refusal.detail)
                await self._commit(workload, self._log_of(workload, decision, "failed", refusal.detail))
            return
        value = after.put(_remembering(workload, decided.state))
        operations = [
            *self._workloads.write(workload.key, workload, value),
            *self._log_of(workload, decision, "done"),
            *self._outcome(workload, decision),
            self._adaptations.is_on(),
        ]
        if await self._commit(workload, operations):
            _log.info("adapted", workload=workload.key, action=decision.action, persona=decision.persona)

    async def _written(self, workload: Record, persona: str | None) -> None:
        """Stores the persona, where the policy wants it written from what is measured now."""
        adaptation = adapting.adaptation_of(workload.value)
        policy = self._policy(adaptation["policy_id"]) if adaptation else None
        wanted = policy.written_for(workload.key).get(persona or "") if policy else None
        if wanted is not None:
            await self._requirements.store(workload.key, wanted)

    def _after(self, name: str, was: Assignment, persona: str | None) -> Assignment:
        if persona is None:
            return transitions.released(was)
        return self._assignments.becomes(name, AssignmentRequest(persona_id=persona))(was)

    async def _commit(self, workload: Record, operations: Sequence[Operation]) -> bool:
        """False where somebody was quicker: then it is decided anew, on what there is now."""
        try:
            await self._context.store.commit(operations)
        except CommitConflict as conflict:
            _log.info("somebody was quicker", workload=workload.key, conflict=str(conflict))
            return False
        return True

    def _log_of(
        self, workload: Record, decision: Decision, result: str, message: str = ""
    ) -> Sequence[Operation]:
        self._last_us = max(self._last_us + 1, int(self._context.clock().timestamp() * 1e6))
        line = LoggedDecision.model_validate(
            {
                **decision.model_dump(exclude={"outcome"}),
                "decision_id": f"d{self._last_us:014x}",
                "at": self._context.now(),
                "policy_id": (adapting.adaptation_of(workload.value) or {})["policy_id"],
                "result": result,
                "message": message,
            }
        )
        return self._adaptations.logged(line, workload.key)

    def _outcome(self, workload: Record, decision: Decision) -> Sequence[Operation]:
        found = decision.outcome
        return self._adaptations.with_outcome(found, workload.key) if found is not None else ()

    def _history(self, name: str, spec: PolicySpec) -> Sequence[Sample]:
        history = self._histories.setdefault(name, deque(maxlen=SAMPLES_BOUND))
        newest = self._measurements.newest(name)
        if newest is not None and (not history or newest.at_s != history[-1].at_s):
            if history and newest.at_s < history[-1].at_s:
                history.clear()  # the clock was set back
            history.append(newest)
        oldest_s = self._context.clock().timestamp() - spec.memory_s
        while len(history) > 1 and history[0].at_s < oldest_s:
            history.popleft()
        return history

    def _policy(self, name: str) -> PolicySpec | None:
        record = self._policies.find(name)
        if record is None:
            return None
        revision, spec = self._specs.get(name, (0, None))
        if spec is None or revision != record.revision:
            spec = self._policies.spec(record)
            self._specs[name] = (record.revision, spec)
        return spec

    def _known_effects(self, spec: PolicySpec, was: Assignment) -> Mapping[str, Effects]:
        found: dict[str, Effects] = {}
        if spec.objective is None:
            return found
        for name in spec.allowed:
            reference = self._personas.reference(name) or preset_reference(name)
            if reference is not None:
                found[name] = self._effects_of(reference)
        if was.assigned is not None:
            found[was.assigned.persona.persona_id] = self._effects_of(was.assigned.persona)
        return found

    def _effects_of(self, reference: PersonaRef) -> Effects:
        known = self._effects.get(reference.digest)
        if known is None:
            if len(self._effects) >= EFFECTS_BOUND:
                self._effects.clear()
            known = effects_of(from_mapping(self._contents.document(reference)))
            self._effects[reference.digest] = known
        return known


def _remembering(workload: Record, state: State) -> dict[str, Any]:
    adaptation = adapting.adaptation_of(workload.value)
    assert adaptation is not None, "it adapts"
    return adapting.with_adaptation(workload.value, {**adaptation, "state": state.model_dump(mode="json")})
