"""Verifications: probes that a person asks for, and what they say about the persona that is worn."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from netpersona.kinds.base import Frozen, Told
from netpersona.kinds.kind import Column, Kind, Resource, name_column
from netpersona.kinds.moments import age
from netpersona.kinds.names import HumanDuration
from netpersona.kinds.reading import reader

Figure = StrictFloat | StrictInt | Annotated[StrictStr, Field(max_length=256)] | None
OPEN = frozenset({"pending", "running"})
"""States that an agent still has something to do about."""


class VerificationRequest(Frozen):
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


class VerificationRow(Frozen):
    """One quantity: what was asked for, what was seen, and whether that is the same."""

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


class VerificationResult(Frozen):
    """How it goes, and what came of the probes; written by the agent."""

    state: Literal["running", "done", "failed"]
    takes_s: StrictFloat | StrictInt | None = Field(None, description="Of a running one: how long in all")
    message: Annotated[StrictStr, Field(max_length=4096)] = ""
    rows: Annotated[list[VerificationRow], Field(max_length=512)] = Field(default_factory=list)


class VerificationState(Told):
    """How far a verification has come."""

    state: Literal["pending", "running", "done", "failed", "cancelled"] = "pending"
    position: int | None = Field(
        None, description="Verifications of the same host that come first: they run one after another"
    )
    requested_at: str = ""
    started_at: str | None = None
    takes_s: float | None = Field(
        None, description="How long it takes from started_at on, told when it starts"
    )
    finished_at: str | None = None
    message: str = ""
    rows: tuple[VerificationRow, ...] = ()


Verification = Resource[VerificationRequest, VerificationState]


def _summary(verification: Verification, _: datetime) -> str:
    return verification.state.state


VERIFICATION: Kind[VerificationRequest, VerificationState] = Kind(
    noun="verification",
    plural="verifications",
    id_key="verification_id",
    within="workload",
    flat=True,
    doc="Probes through a workload's attachment, and what they say about its persona.",
    spec=VerificationRequest,
    state=VerificationState,
    read=reader(VerificationRequest, "verification_id"),
    example={"verification_id": "v1", "probes": 200, "interval": "10ms"},
    verbs=frozenset(),
    columns=(
        name_column(),
        Column("STATE", lambda verification, _: verification.state.state),
        Column("REQUESTED", lambda verification, now: age(verification.state.requested_at, now)),
        Column("MESSAGE", lambda verification, _: verification.state.message),
    ),
    summary=_summary,
    empty="no verifications; `netpersona verify WORKLOAD` asks for one",
)
