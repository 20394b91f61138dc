"""The shapes that requests and answers have; persona documents have theirs in ``netpersona.kinds.persona``.

Request models validate. Answer models only document (OpenAPI): answers are built as plain values and
serialised once.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)


def _no_dots(name: str) -> str:
    if name in (".", ".."):
        raise ValueError(f"{name} is a directory, not a name")
    return name


Identifier = Annotated[
    StrictStr,
    Field(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$",
        description="1 to 63 letters, digits, '.', '_' or '-'; starts and ends with a letter or digit",
    ),
]
InterfaceName = Annotated[
    StrictStr,
    Field(
        pattern=r"^([!-.0-9;-~]{1,15}|([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})$",
        description="A Linux interface name (IFNAMSIZ: 15 bytes); a MAC address only with domain",
    ),
    AfterValidator(_no_dots),
]
ContainerName = Annotated[
    StrictStr,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$",
        description="A container's name, or 12 digits or more of its id, as podman or Docker has it",
    ),
]
DomainName = Annotated[
    StrictStr,
    Field(pattern=r"^[!-.0-~]([ -.0-~]{0,126}[!-.0-~])?$", description="A virtual machine's name in libvirt"),
]
NetnsName = Annotated[
    StrictStr,
    Field(
        pattern=r"^(/[!-~]{1,254}|[!-.0-~]{1,64})$",
        description="A name under /run/netns, or the absolute path of a namespace file",
    ),
    AfterValidator(_no_dots),
]
HumanDuration = Annotated[
    StrictStr, Field(max_length=40, description="A number and a unit: 250ms, 60s, 5m, 1h")
]
Counter = Annotated[StrictInt, Field(ge=0, le=2**63 - 1)]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    model_config = ConfigDict(extra="allow")


class WorkloadSpec(Request):
    """Where a workload meets its host."""

    kind: Literal["vm", "container", "netns", "interface"]
    host: Identifier = Field(
        "local", description="The agent that looks after it, by the name it was started with"
    )
    netns: NetnsName | None = Field(
        None, description="The namespace that holds the interface; null: the host's"
    )
    container: ContainerName | None = Field(
        None, description="Kind container: found by name, again whenever it is started"
    )
    domain: DomainName | None = Field(
        None, description="Kind vm: found by name, again whenever it is started"
    )
    interface: InterfaceName | None = Field(
        None,
        description="Of a container: null is its only one, or eth0. Of a domain: a number from 0 on, a MAC "
        "address or a TAP; null is its only one. Else it must be given",
    )
    facing: Literal["auto", "workload", "network"] = Field(
        "auto",
        description="Whether the interface is the host's end (network) or the workload's own (workload)",
    )
    allow_management: StrictBool = Field(
        False, description="Accept the interface of the default route or of the operator's login"
    )
    labelled: StrictBool = Field(
        False, description="Made by the labels of the container; removed with it by its agent"
    )

    @model_validator(mode="after")
    def _netns_is_named(self) -> WorkloadSpec:
        if self.kind == "netns" and self.netns is None:
            raise ValueError("a workload of kind netns needs the key netns")
        return self

    @model_validator(mode="after")
    def _is_somewhere(self) -> WorkloadSpec:
        named = [key for key in ("netns", "container", "domain") if getattr(self, key) is not None]
        if len(named) > 1:
            raise ValueError(f"{' and '.join(named)} exclude each other; keep one")
        for key, kind in (("container", "container"), ("domain", "vm")):
            if key in named and self.kind != kind:
                raise ValueError(f"the key {key} goes with the kind {kind}")
        if self.interface is None and named not in (["container"], ["domain"]):
            raise ValueError("a workload needs the key interface, or container, or domain")
        if self.interface is not None and ":" in self.interface and self.domain is None:
            raise ValueError("a MAC address chooses among the NICs of a domain only")
        return self


class AssignmentRequest(Request):
    """Which persona to wear, for how long, and what after that."""

    persona_id: Identifier = Field(description="A persona of the store, else a preset")
    ttl: HumanDuration | None = Field(None, description="How long; null: until changed. 1ms to 1 year")
    fallback: Identifier | None = Field(
        None,
        description="The persona that follows when the ttl passed; null: what was worn before, maybe nothing",
    )
    persona_revision: Annotated[StrictInt, Field(ge=1, le=2**63 - 1)] | None = Field(
        None,
        description="Pin this revision; null: follow the newest, now and whenever the persona is replaced",
    )
    fallback_revision: Annotated[StrictInt, Field(ge=1, le=2**63 - 1)] | None = Field(
        None, description="Pin this revision of the fallback; null: follow the newest"
    )


class NamedWorkload(WorkloadSpec):
    """A workload's name and where it is."""

    workload_id: Identifier


class NewWorkload(NamedWorkload):
    """A workload to create: its name, where it is, and what it wears from the beginning."""

    persona: AssignmentRequest | None = Field(None, description="As PUT /v1/workloads/{id}/persona takes it")


class StatusReport(BaseModel):
    """What an agent observed; kept in memory, so it is null again after a restart until the agent reports."""

    model_config = ConfigDict(extra="allow")

    phase: Literal["attached", "missing", "refused", "error"]
    message: Annotated[StrictStr, Field(max_length=4096)] = ""
    attachment: Counter | None = None
    interface: Annotated[StrictStr, Field(max_length=64)] | None = None
    applied_sequence: Counter = Field(
        0, description="The sequence of the workload that the data path now follows"
    )
    applied_at: Annotated[StrictStr, Field(max_length=64)] | None = Field(
        None, description="When the data path was told, to the microsecond"
    )
    applied_us: StrictFloat | None = Field(
        None, description="Microseconds from the arrival of the wish at the agent to the store"
    )
    generation: Counter = 0
    persona_id: Identifier | None = None
    expired: StrictBool = False
    proof: Literal["seen", "idle"] = Field("idle", description="seen: a packet passed under this generation")
    counters: dict[str, Any] = Field(default_factory=dict)
    lanes: dict[str, Any] = Field(default_factory=dict)
    engine: dict[str, Any] = Field(default_factory=dict)
    observed_at: Annotated[StrictStr, Field(max_length=64)] | None = None


class StatusReports(Request):
    """What an agent observed of several workloads."""

    statuses: Annotated[dict[Identifier, StatusReport], Field(max_length=1000)]


class VerificationRequest(Request):
    """Probes to send through the attachment."""

    probes: Annotated[StrictInt, Field(ge=10, le=100_000)] | None = Field(
        None, description="In each direction; null: as many as what the persona asks for needs"
    )
    interval: HumanDuration | None = Field(
        None,
        description="Between two probes, 100us to 10s; null: 10ms or closer. Longer where the rate is low",
    )
    at_most: HumanDuration = Field(
        "60s", description="How long it may take, 1s to 1h; fewer probes where they do not fit"
    )


Figure = StrictFloat | StrictInt | Annotated[StrictStr, Field(max_length=256)] | None


class VerificationRow(Request):
    direction: Literal["egress", "ingress"]
    quantity: Annotated[StrictStr, Field(max_length=256)]
    requested: Figure = None
    achieved: Figure = None
    low: StrictFloat | StrictInt | None = Field(None, description="Lower end of the confidence interval")
    high: StrictFloat | StrictInt | None = Field(None, description="Upper end of the confidence interval")
    unit: Annotated[StrictStr, Field(max_length=32)] = ""
    verdict: Literal["yes", "no", "too few"] | None = Field(
        None, description="too few: more probes are needed to tell; null: nothing was asked, or none can tell"
    )
    holds: StrictBool | None = Field(None, description="true: yes; false: no; null: anything else")


class VerificationResult(Request):
    """How it goes, and what came of the probes; written by the agent."""

    state: Literal["running", "done", "failed"]
    takes_s: StrictFloat | StrictInt | None = Field(None, description="Of a running one: how long in all")
    message: Annotated[StrictStr, Field(max_length=4096)] = ""
    rows: Annotated[list[VerificationRow], Field(max_length=512)] = Field(default_factory=list)


class HostReport(BaseModel):
    """An agent's heartbeat: what its host can do and how its engine fares. Kept in memory."""

    model_config = ConfigDict(extra="allow")

    version: Annotated[StrictStr, Field(max_length=64)] = ""
    capabilities: dict[str, Any] = Field(default_factory=dict)
    engine: dict[str, Any] = Field(default_factory=dict)


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


class Worn(Answer):
    persona_id: str
    persona_revision: int = Field(description="0: a preset")
    persona: dict[str, Any]


class Assignment(Worn):
    follows: bool = Field(description="true: replacing the persona reaches this workload; false: pinned")
    assigned_at: str
    expires_at: str | None
    fallback: Worn | None
    sequence: int
    anew: bool = Field(
        True,
        description="false: this very document was worn already, so nothing started anew, neither bursts"
        " of loss nor the seed; release the workload first for that",
    )


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
