"""/v1/personas and /v1/presets, and what a persona was before."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Response

from netpersona.control import models
from netpersona.control.http.answers import answer, answers
from netpersona.control.http.routes.common import PersonaId, ServiceOf
from netpersona.control.http.routes.kinds import routes_of
from netpersona.control.problems import NotFound
from netpersona.kinds.persona.kind import PERSONA, PRESET

presets = routes_of(
    PRESET, said={"list": "The personas that come with netpersona; any may be assigned by its name."}
)
router = routes_of(
    PERSONA,
    said={
        "create": "Store a persona, in any of the three spellings.",
        "replace": "Store a new revision; workloads that follow the persona wear it at once, pinned ones do "
        "not. Creates the persona if there is none.",
        "delete": "Remove a persona that no workload uses.",
    },
)


@router.get("/{persona_id}/revisions/{revision}", responses=answers(404, ok=models.PersonaRevision))
async def get_persona_revision(
    persona_id: PersonaId, revision: Annotated[int, Path(ge=1, le=2**63 - 1)], service: ServiceOf
) -> Response:
    """The document of a revision, as long as it is kept: the newest, and 16 before it."""
    newest = service.personas.record(persona_id)
    spec = service.personas.revision(persona_id, revision)
    if spec is None:
        raise NotFound(
            f"revision {revision} of {persona_id} is not kept", remedy=f"{newest.revision} is the newest"
        )
    return answer({"persona_id": persona_id, "revision": revision, "spec": spec})
