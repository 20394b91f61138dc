"""Adaptation: which workloads adapt by which policy, and the log of what was decided.

All of it is in the record of the workload, so that a switch, what is remembered of it and the line of the log
are one commit. The loop over it is ``adaptation_loop``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from netpersona.adapt import State
from netpersona.control.identity.calls import OURS, Call
from netpersona.control.problems import NotFound, Unprocessable
from netpersona.control.resources import adapting
from netpersona.control.resources.context import Context
from netpersona.control.resources.generic import Plan, plan
from netpersona.control.resources.policies import Policies
from netpersona.control.resources.workloads import DECISIONS, Workloads
from netpersona.control.store.protocol import ABSENT, Check, Delete, Operation, Put, Record
from netpersona.kinds.adaptation import AdaptationRequest, LoggedDecision, Outcome
from netpersona.kinds.kind import Change
from netpersona.kinds.shown import brief

DECISIONS_BOUND: Final = 64
"""Decisions kept of each workload; the oldest goes first."""
SETTINGS: Final = "settings"
SWITCH: Final = "adaptation"


class Adaptations:
    def __init__(self, context: Context, policies: Policies, workloads: Workloads) -> None:
        self._context, self._store = context, context.store
        self._policies, self._workloads = policies, workloads

    async def enable(self, name: str, wanted: AdaptationRequest, call: Call = OURS) -> Record | Plan:
        """A workload adapts from now on; what was remembered of an earlier time, or a pause, is over.

        Raises:
            NotFound, PreconditionFailed, Unprocessable
        """

        def prepare() -> Sequence[Operation]:
            workload = self._workloads.record(name)
            call.condition.check(workload.revision)
            self._policy(wanted.policy_id)
            value = adapting.with_adaptation(workload.value, self._new(wanted, call))
            return self._workloads.write(name, workload, value)

        return await self._change(name, wanted.policy_id, prepare, call)

    async def disable(self, name: str, call: Call = OURS) -> Record | Plan:
        """It adapts no longer; what it wears stays. Raises: NotFound, PreconditionFailed"""

        def prepare() -> Sequence[Operation]:
            workload = self._workloads.record(name)
            call.condition.check(workload.revision)
            return self._workloads.write(name, workload, adapting.with_adaptation(workload.value, None))

        return await self._change(name, None, prepare, call)

    def log(self, name: str) -> Sequence[LoggedDecision]:
        """Decisions that changed something, or would have; the oldest first. Raises NotFound."""
        self._workloads.record(name)
        found = self._store.list(DECISIONS, prefix=f"{name}/")
        return [LoggedDecision.model_validate(record.value) for record in found]

    def adapting(self) -> Sequence[str]:
        """Names of all workloads that adapt."""
        users = self._context.references.all_users("policies", "workloads")
        return sorted(name for names in users.values() for name in names)

    @property
    def is_off(self) -> bool:
        found = self._store.get(SETTINGS, SWITCH)
        return found is not None and not found.value["enabled"]

    async def switch_all(self, *, enabled: bool, call: Call = OURS) -> dict[str, Any]:
        """The kill switch: nothing adapts until it is switched on again."""
        value = {"enabled": enabled, "changed_at": self._context.now(), "changed_by": call.caller.name}
        if not call.dry_run:
            await self._context.commit(lambda: [Put(SETTINGS, SWITCH, value)])
        return self.all()

    def all(self) -> dict[str, Any]:
        found = self._store.get(SETTINGS, SWITCH)
        value = found.value if found else {"enabled": True, "changed_at": None, "changed_by": None}
        return {**value, "workloads": self.adapting()}

    def is_on(self) -> Check:
        """Of a commit: that nobody has thrown the kill switch meanwhile."""
        found = self._store.get(SETTINGS, SWITCH)
        return Check(SETTINGS, SWITCH, found.revision if found else ABSENT)

    def logged(self, decision: LoggedDecision, name: str) -> Sequence[Operation]:
        """Puts a decision into the log, where the oldest makes room."""
        kept = self._store.list(DECISIONS, prefix=f"{name}/")
        surplus = kept[: max(0, len(kept) - DECISIONS_BOUND + 1)]
        put = Put(DECISIONS, f"{name}/{decision.decision_id}", decision.model_dump(mode="json"))
        return [put, *(Delete(r.kind, r.key) for r in surplus)]

    def with_outcome(self, outcome: Outcome, name: str) -> Sequence[Operation]:
        """Writes what became of it beside the switch that it is the outcome of."""
        kept = reversed(self._store.list(DECISIONS, prefix=f"{name}/"))
        found = next((r for r in kept if r.value["action"] == "switch" and r.value["result"] == "done"), None)
        if found is None or found.value["persona"] != outcome.persona:
            return []
        return [Put(found.kind, found.key, {**found.value, "outcome": outcome.model_dump()}, found.revision)]

    def _new(self, wanted: AdaptationRequest, call: Call) -> dict[str, Any]:
        return {
            **wanted.model_dump(),
            "enabled_at": self._context.now(),
            "enabled_by": call.caller.name,
            "paused": None,
            "state": State().model_dump(),
        }

    def _policy(self, name: str) -> None:
        if self._policies.find(name) is None:
            raise Unprocessable(
                f"there is no policy {brief(name)}",
                remedy="create it with POST /v1/policies",
                pointer="/policy_id",
            )

    async def _change(
        self, name: str, policy: str | None, prepare: Callable[[], Sequence[Operation]], call: Call
    ) -> Record | Plan:
        if call.dry_run:
            prepare()
            before = (adapting.adaptation_of(self._workloads.record(name).value) or {}).get("policy_id")
            return plan([Change("/adaptation", before, policy, "live")] if before != policy else [])
        return await self._workloads.commit(prepare)

    def required(self, name: str) -> Record:
        """A workload that adapts. Raises NotFound."""
        record = self._workloads.record(name)
        if adapting.adaptation_of(record.value) is None:
            raise NotFound(
                f"workload {name} does not adapt",
                remedy="PUT /v1/workloads/{workload_id}/adaptation enables it",
            )
        return record
