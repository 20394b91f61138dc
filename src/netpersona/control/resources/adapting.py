"""What is stored of a workload's adaptation, beside its assignment: pure functions of the stored value."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from netpersona.kinds.adaptation import AdaptationState, Decision, Paused
from netpersona.kinds.kind import Ref

KEY: Final = "adaptation"
Value = Mapping[str, Any]


def adaptation_of(value: Value) -> Value | None:
    """Of a stored workload: policy_id, advise, enabled_at, enabled_by, paused, and the state of `adapt`."""
    found: Value | None = value.get(KEY)
    return found


def with_adaptation(value: Value, adaptation: Value | None) -> dict[str, Any]:
    return {**value, KEY: adaptation}


def paused(value: Value, by: str, at: str, until: str | None) -> Value:
    """A person has changed what is worn: adaptation waits, of a trial until it ends."""
    adaptation = adaptation_of(value)
    if adaptation is None:
        return value
    return with_adaptation(value, {**adaptation, "paused": Paused(at=at, by=by, until=until).model_dump()})


def resumed(value: Value) -> Value:
    """The trial that it was paused for has ended."""
    adaptation = adaptation_of(value)
    if adaptation is None or not (adaptation["paused"] or {}).get("until"):
        return value
    return with_adaptation(value, {**adaptation, "paused": None})


def references(value: Value) -> Iterator[Ref]:
    adaptation = adaptation_of(value)
    if adaptation is not None:
        yield Ref("policies", adaptation["policy_id"])


class Latest:
    """What was decided last of each workload; kept in memory."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[Decision, str]] = {}

    def put(self, workload_id: str, decision: Decision, at: str) -> Decision | None:
        """Returns the one before."""
        before = self._latest.get(workload_id)
        self._latest[workload_id] = (decision, at)
        return before[0] if before else None

    def forget(self, workload_id: str) -> None:
        self._latest.pop(workload_id, None)

    def state(self, workload_id: str, value: Value) -> AdaptationState | None:
        adaptation = adaptation_of(value)
        if adaptation is None:
            return None
        latest, decided_at = self._latest.get(workload_id, (None, None))
        told = {key: adaptation[key] for key in adaptation.keys() - {"state"}}
        return AdaptationState(**told, latest=latest, decided_at=decided_at)
