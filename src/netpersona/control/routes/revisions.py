"""/v1/personas/{persona_id}/revisions: what a persona was before."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Response

from netpersona.control import models
from netpersona.control.answers import answer, answers
from netpersona.control.problems import NotFound
from netpersona.control.routes.common import PersonaId, ServiceOf

router = APIRouter(prefix="/v1", tags=["personas"])


@router.get("/personas/{persona_id}/revisions/{revision}", responses=answers(404, ok=models.PersonaRevision))
async def get_persona_revision(
    persona_id: PersonaId, revision: Annotated[int, Path(ge=1, le=2**63 - 1)], service: ServiceOf
) -> Response:
    """The document of a revision, as long as it is kept: the newest, and 16 before it."""
    newest = service.personas.get(persona_id)
    spec = service.personas.revision(persona_id, revision)
    if spec is None:
        raise NotFound(
            f"revision {revision} of {persona_id} is not kept", remedy=f"{newest.revision} is the newest"
        )
    return answer({"persona_id": persona_id, "revision": revision, "spec": spec})
