"""Workloads: what wears a persona, where it meets its host, what it wears and what its agent saw of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from netpersona.kinds import measured, traffic
from netpersona.kinds.adaptation import AdaptationState
from netpersona.kinds.base import Frozen, Told
from netpersona.kinds.hardware.describe import sections
from netpersona.kinds.kind import Change, Column, Kind, Ref, Resource, Section, keys_of, name_column
from netpersona.kinds.measured import DIRECTIONS, Measured
from netpersona.kinds.moments import dated, left
from netpersona.kinds.names import (
    ContainerName,
    Counter,
    DomainName,
    HumanDuration,
    Identifier,
    InterfaceName,
    NetnsName,
)
from netpersona.kinds.probe import ProbeText
from netpersona.kinds.reading import reader


class WorkloadSpec(Frozen):
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

    @property
    def place(self) -> str:
        """The interface, behind what it is found by; whole ids of containers are shortened."""
        named = self.netns or self.container or self.domain
        return "/".join(part for part in (named and named[:40], self.interface) if part)


class AssignmentRequest(Frozen):
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
    confirm_within: HumanDuration | None = Field(
        None,
        description="Go back to what is worn now unless POST …/confirm comes within this time, which the data"
        " path counts by itself; excludes ttl and fallback. null: nobody has to confirm",
    )
    probe: ProbeText | None = Field(
        None,
        description="With confirm_within: asked by the agent each second from the workload's side; three"
        " answers in a row confirm, three failures in a row take it back at once",
    )
    allow_disruptive: StrictBool = Field(
        False,
        description="Also where a change takes the link down, or may because no agent has said what there is;"
        " POST …/plan names such changes",
    )


class Worn(Told):
    """A persona revision, and its document."""

    persona_id: str
    persona_revision: int = Field(description="0: a preset")
    persona: dict[str, Any]
    follows: bool = Field(
        False, description="true: replacing the persona reaches this workload; false: pinned"
    )

    @property
    def label(self) -> str:
        """As a table shows it."""
        shown = f"@{self.persona_revision}" if self.persona_revision else " (preset)"
        return f"{self.persona_id}{shown}"


class Assignment(Worn):
    """What a workload wears, until when, and what comes after."""

    assigned_at: str
    expires_at: str | None
    fallback: Worn | None
    sequence: int
    anew: bool = Field(
        True,
        description="false: this very document was worn already, so nothing started anew, neither bursts"
        " of loss nor the seed; release the workload first for that",
    )
    confirm_by: str | None = Field(
        None,
        description="Until when somebody has to confirm it, or the fallback follows; null: nobody has to",
    )
    probe: str | None = Field(None, description="What the agent asks until then, to confirm it or to revert")


class Reverted(Told):
    """What went back by itself, because nobody confirmed it or its probe failed."""

    persona_id: str
    persona_revision: int = Field(description="0: a preset")
    at: str
    reason: str

    @property
    def label(self) -> str:
        """As a person is told."""
        revision = f"@{self.persona_revision}" if self.persona_revision else ""
        return f"{self.persona_id}{revision} went back by itself: {self.reason}"


class ProbeReport(Told):
    """How the probe of an assignment that waits to be confirmed fares."""

    sequence: Counter = Field(description="The sequence of the workload that it is about")
    passed: Counter = Field(0, description="Answers in a row")
    failed: Counter = Field(0, description="Failures in a row")
    message: Annotated[StrictStr, Field(max_length=512)] = ""
    verdict: Literal["passed", "failed"] | None = Field(
        None, description="passed: the manager confirms; failed: it has been taken back; null: not known yet"
    )


class StatusReport(Told):
    """What an agent observed; kept in memory, so it is null again after a restart until the agent reports."""

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
    measured: Measured | None = Field(
        None, description="Measured conditions of the last interval; null: none since the last report"
    )
    probe: ProbeReport | None = Field(None, description="Of an assignment that waits to be confirmed")
    warnings: tuple[Annotated[StrictStr, Field(max_length=4096)], ...] = ()
    hardware: dict[str, Any] | None = Field(
        None,
        description="What the interface has and can be set to, as netpersona.kinds.hardware.HardwareReport"
        " reads it; null: as it was reported last",
    )
    observed_at: Annotated[StrictStr, Field(max_length=64)] | None = None


class WorkloadState(Told):
    """What a workload wears and wore, and its status."""

    sequence: int = Field(
        0, description="Rises with every assignment, release and new persona; gaps mean nothing"
    )
    assignment: Assignment | None = None
    previous: Worn | None = Field(None, description="What rollback goes back to")
    reverted: Reverted | None = Field(
        None, description="What went back by itself in the last change of the assignment; null: nothing did"
    )
    status: StatusReport | None = None
    adaptation: AdaptationState | None = Field(None, description="By which policy its persona is chosen")

    @property
    def is_applied(self) -> bool:
        """Whether the agent has applied the latest assignment or release."""
        return self.status is not None and self.status.applied_sequence >= self.sequence

    @property
    def phase(self) -> str:
        """What the agent says, in a word; `pending` while it has not applied the latest assignment."""
        if self.status is None:
            return "unseen"
        pending = self.status.phase == "attached" and not self.is_applied
        return f"{self.status.phase}{' (pending)' if pending else ''}"

    @property
    def message(self) -> str:
        """Why a workload is not attached; empty when it is, or nobody has looked."""
        return self.status.message if self.status and self.status.phase != "attached" else ""

    @property
    def said(self) -> str:
        """The phase, and why it is not `attached`."""
        return f"{self.phase}: {self.message}" if self.message else self.phase


Workload = Resource[WorkloadSpec, WorkloadState]


def _references(spec: WorkloadSpec) -> Iterable[Ref]:
    yield Ref("hosts", spec.host, must_exist=False)


def _plan(before: WorkloadSpec | None, after: WorkloadSpec | None) -> list[Change]:
    """A workload that is somewhere else is attached anew."""
    return keys_of(before, after, "reinit")


def _troubles(workload: Workload) -> list[str]:
    state = workload.state
    lines = [f"{workload.name} is {state.said}"] if state.message else []
    adapts = state.adaptation
    if adapts and not adapts.paused and adapts.latest and adapts.latest.action == "none":
        lines.append(f"{workload.name} does not adapt now: {adapts.latest.reason}")
    lines += [f"{workload.name}: {state.reverted.label}"] if state.reverted else []
    warnings = state.status.warnings if state.status else ()
    drift = (state.status.hardware or {}).get("drift") if state.status else ()
    if drift:
        lines.append(f"{workload.name}: others set {', '.join(map(str, drift))} of its interface")
    return lines + [f"{workload.name}: {warning}" for warning in warnings]


def _worn(workload: Workload) -> str:
    return workload.state.assignment.label if workload.state.assignment else "-"


def _expiry(workload: Workload, now: datetime) -> str:
    assignment = workload.state.assignment
    expiry = left(assignment.expires_at if assignment else None, now)
    return f"{expiry} unless confirmed" if assignment and assignment.confirm_by else expiry


def _summary(workload: Workload, now: datetime) -> str:
    expiry = _expiry(workload, now)
    worn = _worn(workload) + (f" expires {expiry}" if expiry != "-" else "")
    reverted = workload.state.reverted
    worn += f" ({reverted.label})" if reverted else ""
    return f"{workload.spec.place}  {worn}  {workload.state.said}"


def _describe(workload: Workload, now: datetime) -> tuple[Section, ...]:
    spec = workload.spec
    fields = (
        ("kind", spec.kind),
        ("host", spec.host),
        ("attachment", f"{spec.place} (facing {spec.facing})"),
        *_assignment(workload.state, now),
    )
    return (
        Section(f"workload {workload.name}", fields),
        *_observed(workload.state.status, now),
        *_hardware(workload.state),
    )


def _hardware(state: WorkloadState) -> Iterator[Section]:
    """Where settings of the interface act, and what others changed."""
    if state.status is not None and state.status.hardware is not None:
        yield from sections(state.status.hardware, state.assignment.persona if state.assignment else None)


def _assignment(state: WorkloadState, now: datetime) -> Iterator[tuple[str, str]]:
    worn = state.assignment
    yield "persona", worn.label if worn else "none: its traffic passes untouched"
    if worn is not None:
        yield "assigned", dated(worn.assigned_at, now)
        if worn.expires_at:
            after = worn.fallback.label if worn.fallback else "no persona"
            unless = " unless confirmed" if worn.confirm_by else ""
            yield "expires", f"{left(worn.expires_at, now)}{unless}, then {after}"
        if worn.probe:
            yield "probe", _probe(worn, state.status)
    if state.reverted:
        yield "reverted", f"{state.reverted.label}, {dated(state.reverted.at, now)}"
    if state.adaptation:
        yield "adapts by", state.adaptation.said
        if state.adaptation.latest:
            yield "", state.adaptation.latest.reason
    if state.previous:
        yield "before", f"{state.previous.label} (`netpersona rollback` puts it back)"
    yield "phase", state.said


def _probe(worn: Assignment, status: StatusReport | None) -> str:
    report = status.probe if status else None
    if report is None or report.sequence != worn.sequence:
        return f"{worn.probe}: not asked yet"
    if report.failed:
        return f"{worn.probe}: failed {report.failed} times ({report.message})"
    return f"{worn.probe}: answered {report.passed} times"


_PROOF = {"seen": "packets were seen under it", "idle": "no packet since it was switched on"}


def _observed(status: StatusReport | None, now: datetime) -> Iterator[Section]:
    if status is None:
        return
    document = status.model_dump()
    seeds = traffic.seeds(document)
    fields = (
        ("observed", dated(status.observed_at, now) if status.observed_at else "-"),
        ("interface", status.interface or "-"),
        ("generation", f"{status.generation} ({_PROOF[status.proof]})"),
        *((("seed", seeds),) if seeds else ()),
        *(("warning", str(warning)) for warning in status.warnings),
    )
    yield Section("seen by its agent", fields)
    rows = [(what, f"{egress:,}", f"{ingress:,}") for what, egress, ingress in traffic.table(document)]
    yield Section("", table=(("packets", *traffic.DIRECTIONS), *rows))
    if status.measured is not None:
        age = f"measured {status.measured.age_s:.0f}s ago"
        yield Section("", table=((age, *DIRECTIONS), *measured.rows(status.measured)))


WORKLOAD: Kind[WorkloadSpec, WorkloadState] = Kind(
    noun="workload",
    plural="workloads",
    id_key="workload_id",
    doc="Something that can wear a persona, and where it meets its host.",
    spec=WorkloadSpec,
    state=WorkloadState,
    read=reader(WorkloadSpec, "workload_id"),
    example={"workload_id": "web", "kind": "netns", "netns": "web", "interface": "eth0"},
    references=_references,
    plan=_plan,
    columns=(
        name_column(),
        Column("KIND", lambda workload, _: workload.spec.kind),
        Column("ATTACHMENT", lambda workload, _: workload.spec.place),
        Column("PERSONA", lambda workload, _: _worn(workload)),
        Column("EXPIRES", _expiry),
        Column("PHASE", lambda workload, _: workload.state.phase),
    ),
    describe=_describe,
    summary=_summary,
    troubles=_troubles,
    empty="no workloads; `netpersona workload add` names one",
)
