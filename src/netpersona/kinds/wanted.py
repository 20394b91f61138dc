"""What an agent is told of its host's workloads: documents once each by digest, and who wears which."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from netpersona.kinds.base import Told


class WantedPersona(Told):
    """A persona revision; the line DOCUMENT with its digest came before on the same stream."""

    persona_id: str
    persona_revision: int = Field(description="0: a preset")
    digest: str = Field(description="SHA-256 of the document's canonical JSON")


class WantedAssignment(WantedPersona):
    """What is to be worn, for how long, and what comes after."""

    remaining_ms: float | None = Field(
        None, description="Time left when the line was made; null: until changed. Below 0: it is over"
    )
    fallback: WantedPersona | None = None
    allow_disruptive: bool = Field(False, description="The link may go down for settings of the interface")
    probe: str | None = Field(
        None, description="What to ask until it is confirmed, as an assignment writes it; null: nothing"
    )


class WantedWorkload(Told):
    """A workload of the host."""

    workload_id: str
    revision: int
    spec: dict[str, Any]
    sequence: int
    assignment: WantedAssignment | None = None


class WantedDocument(Told):
    """A persona document by its digest."""

    digest: str
    document: dict[str, Any]
