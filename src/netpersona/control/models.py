"""The shapes that requests and answers have; persona documents have theirs in ``netpersona.kinds.persona``.

Request models validate. Answer models only document (OpenAPI): answers are built as plain values and
serialised once.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from netpersona.kinds.adaptation import LoggedDecision
from netpersona.kinds.measured import HISTORY, Measured, MeasuredReport
from netpersona.kinds.names import Identifier
from netpersona.kinds.requirement import Reason
from netpersona.kinds.workload import AssignmentRequest, StatusReport, WorkloadSpec


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class NewWorkload(WorkloadSpec):
    """A workload to create: its name, where it is, and what it wears from the beginning."""

    workload_id: Identifier
    persona: AssignmentRequest | None = Field(None, description="As PUT /v1/workloads/{id}/persona takes it")


class StatusReports(Request):
    """What an agent observed of several workloads."""

    statuses: Annotated[dict[Identifier, StatusReport], Field(max_length=1000)]


class MeasuredReports(Request):
    """What an agent measured of several workloads since it last said so."""

    workloads: Annotated[dict[Identifier, MeasuredReport], Field(max_length=1000)]


class MeasuredTaken(Answer):
    unknown: list[str] = Field(description="Workloads that are not here")
    wanted: list[str] = Field(description="Workloads of which the agent should say all that it keeps")


class MeasuredSample(Measured):
    """Measured conditions of one interval."""

    at: str = Field(description="When the interval ended, RFC 3339 in UTC, on the manager's clock")


class MeasuredHistory(Answer):
    workload_id: str
    items: list[MeasuredSample] = Field(
        description=f"Oldest first, the last {HISTORY} at most; intervals without a packet have none"
    )


class ProblemDetail(Answer):
    pointer: str = Field(description="JSON pointer (RFC 6901) into what 'in' names")
    in_: Literal["body", "query", "path", "header"] = Field(alias="in")
    detail: str
    remedy: str


class ProblemDocument(Answer):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[ProblemDetail]


class Change(Answer):
    pointer: str
    before: Any
    after: Any
    label: Literal["live", "reinit", "flap"]


class Plan(Answer):
    """What a dry run would do; nothing was stored."""

    dry_run: Literal[True]
    changes: list[Change]


class PersonaRevision(Answer):
    persona_id: str
    revision: int
    spec: dict[str, Any] = Field(description="The canonical document that this revision was")


class StatusesTaken(Answer):
    unknown: list[str] = Field(
        description="Workloads that there are no longer; their statuses were passed over"
    )


class Counters(Answer):
    workload_id: str
    counters: dict[str, Any] | None
    lanes: dict[str, Any] | None
    observed_at: str | None


class Decisions(Answer):
    items: list[LoggedDecision]


class AdaptationOfAll(Answer):
    enabled: bool = Field(description="false: nothing is switched by itself, whatever the policies say")
    changed_at: str | None
    changed_by: str | None
    workloads: list[str] = Field(description="Those that adapt, paused ones included")


class WrittenPersona(Answer):
    persona_id: str
    persona: dict[str, Any] = Field(description="The canonical document that was written")
    reasons: list[Reason] = Field(description="Why each value is what it is, and by which source")
    warnings: list[str] = Field(description="What no persona can give on the path that is measured")
    dry_run: bool


class Health(Answer):
    status: Literal["ok"]


class FlatSnake(Answer):
    """A persona in flat snake case; null is what this spelling cannot say."""

    persona_id: str
    description: str
    qos_priority: int
    security_profile: str | dict[str, Any]
    simulated_latency_ms: float | None
    packet_loss_probability: float | None
    bandwidth_limit_kbps: float | None


class FlatCamel(Answer):
    """A persona in flat camel case; null is what this spelling cannot say."""

    personalityId: str
    description: str
    latencyMs: float | None
    jitterMs: float | None
    packetLossPercentage: float | None = Field(description="A fraction in spite of its name: 1 % is 0.01")
    duplicatePacketPercentage: float | None = Field(
        description="A fraction in spite of its name: 1 % is 0.01"
    )
    bandwidthKbps: float | None
    routingProfile: str
    mtu: int | None


class WornSnake(Answer):
    vm_id: str
    persona_id: str
    persona: FlatSnake


class WornCamel(Answer):
    vmId: str
    personalityId: str
    personality: FlatCamel
