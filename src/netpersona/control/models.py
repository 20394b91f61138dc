"""The shapes that requests and answers have; persona documents have theirs in ``netpersona.kinds.persona``.

Request models validate. Answer models only document (OpenAPI): answers are built as plain values and
serialised once.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel

from netpersona.kinds.names import Identifier
from netpersona.kinds.verification import VerificationRow
from netpersona.kinds.workload import Assignment, AssignmentRequest, StatusReport, WorkloadSpec, Worn


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class NamedWorkload(WorkloadSpec):
    """A workload's name and where it is."""

    workload_id: Identifier


class NewWorkload(NamedWorkload):
    """A workload to create: its name, where it is, and what it wears from the beginning."""

    persona: AssignmentRequest | None = Field(None, description="As PUT /v1/workloads/{id}/persona takes it")


class StatusReports(Request):
    """What an agent observed of several workloads."""

    statuses: Annotated[dict[Identifier, StatusReport], Field(max_length=1000)]


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


class Persona(Answer):
    persona_id: str
    revision: int = Field(description="The store revision that wrote it; the ETag in quotes")
    created_at: str
    updated_at: str
    spec: dict[str, Any] = Field(description="The canonical document, whichever spelling was sent")
    in_use_by: list[str] = Field(description="Workloads that wear it now or fall back to it")


class Preset(Answer):
    persona_id: str
    spec: dict[str, Any]


class Workload(Answer):
    workload_id: str
    revision: int = Field(description="The store revision that wrote it; the ETag in quotes")
    sequence: int = Field(description="Rises with every assignment and release; gaps mean nothing")
    spec: WorkloadSpec
    assignment: Assignment | None
    previous: Worn | None = Field(description="What rollback goes back to")
    status: StatusReport | None


class Verification(Answer):
    verification_id: str
    workload_id: str
    revision: int
    state: Literal["pending", "running", "done", "failed", "cancelled"]
    position: int | None = Field(
        description="Verifications of the same host that come first: they run one after another"
    )
    probes: int | None
    interval: str | None
    at_most: str
    requested_at: str
    started_at: str | None
    takes_s: float | None = Field(description="How long it takes from started_at on, told when it starts")
    finished_at: str | None
    message: str
    rows: list[VerificationRow]


class Host(Answer):
    host: str
    seen_at: str
    workloads: list[str]


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


class PersonaPage(Answer):
    items: list[Persona]
    revision: int = Field(description="Watch from here to miss nothing")
    continue_: str | None = Field(
        alias="continue", description="Pass it on to get the next page; null: the last"
    )


class WorkloadPage(PersonaPage):
    items: list[Workload]  # type: ignore[assignment]


class PresetPage(Answer):
    items: list[Preset]


class HostPage(Answer):
    items: list[Host]


class StatusesTaken(Answer):
    unknown: list[str] = Field(
        description="Workloads that there are no longer; their statuses were passed over"
    )


class VerificationPage(Answer):
    items: list[Verification]


class Counters(Answer):
    workload_id: str
    counters: dict[str, Any] | None
    lanes: dict[str, Any] | None
    observed_at: str | None


class Health(Answer):
    status: Literal["ok"]


class PersonaOrPlan(RootModel[Persona | Plan]):
    """The persona, or the plan of a dry run."""


class WorkloadOrPlan(RootModel[Workload | Plan]):
    """The workload, or the plan of a dry run."""


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
