"""Adaptation of a workload: by which policy, how it stands, and what was decided on which inputs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, StrictBool

from netpersona.kinds.base import Frozen, Told
from netpersona.kinds.names import Identifier

Action = Literal["none", "stay", "switch", "revert"]
"""none: nothing could be decided; stay: what is worn is worn on; revert: a switch is undone."""
Scorer = Literal["rules", "objective", "default", "guard"]


class Score(Told):
    """How good a candidate is, and why."""

    persona: str
    score: float = Field(description="0 to 1; 1 is as good as can be")
    why: str = ""


class Outcome(Told):
    """What became of a switch, once the guard had enough measurements."""

    persona: str | None = Field(description="What had been put on")
    before: str | None = Field(description="What had been worn before")
    metric: str
    was: float | None = Field(description="Average before the switch")
    now: float | None = Field(description="Average after it")
    verdict: Literal["better", "same", "worse", "unknown"]


class Decision(Told):
    """What was decided, on which inputs, and why."""

    action: Action
    persona: str | None = Field(None, description="What is to be worn; null: nothing")
    worn: str | None = Field(None, description="What was worn when this was decided")
    wanted: str | None = Field(None, description="The best candidate, though it may have to wait")
    reason: str = ""
    scorer: Scorer | None = Field(None, description="Who chose")
    scores: tuple[Score, ...] = Field((), description="Of every candidate that was judged, the best first")
    inputs: dict[str, float | None] = Field(
        default_factory=dict, description="Measured values that counted; null: not measured"
    )
    outcome: Outcome | None = Field(None, description="Of an earlier switch, where it became known now")


class AdaptationRequest(Frozen):
    """By which policy a workload is to adapt."""

    policy_id: Identifier = Field(description="A policy of the store")
    advise: StrictBool = Field(False, description="Only log what would be done, whatever the policy says")


class LoggedDecision(Decision):
    """A decision that changed something, or would have."""

    decision_id: str
    at: str
    policy_id: str
    result: Literal["done", "advised", "failed"] = "done"
    message: str = Field("", description="Why it could not be done")


class Paused(Told):
    """A person has changed what is worn: that comes first."""

    at: str
    by: str
    until: str | None = Field(
        None, description="The end of the trial that it is paused for; null: until enabled again"
    )


class AdaptationState(Told):
    """How a workload's adaptation stands."""

    policy_id: str
    advise: bool = False
    enabled_at: str = ""
    enabled_by: str = ""
    paused: Paused | None = None
    latest: Decision | None = Field(
        None, description="What was decided last; kept in memory, so null after a restart of the manager"
    )
    decided_at: str | None = None

    @property
    def said(self) -> str:
        """In a few words."""
        mode = " (advises only)" if self.advise else ""
        if self.paused:
            until = f" until {self.paused.until}" if self.paused.until else ""
            return f"{self.policy_id}{mode}, paused{until}: {self.paused.by} changed what it wears"
        return f"{self.policy_id}{mode}"


class AdaptationSwitch(Frozen):
    """Of the adaptation of all workloads."""

    enabled: StrictBool = Field(description="false: nothing is switched by itself, whatever the policies say")
