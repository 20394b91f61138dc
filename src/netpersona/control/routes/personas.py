"""/v1/personas and /v1/presets."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from netpersona.control import models
from netpersona.control.answers import BODY, answer, answers, body_of
from netpersona.control.bodies import read_document
from netpersona.control.desk import PERSONAS
from netpersona.control.openapi import PERSONA_SCHEMA
from netpersona.control.pages import Cursor, Limit, page
from netpersona.control.presets import preset, preset_documents
from netpersona.control.problems import NotFound
from netpersona.control.routes.common import CONDITIONAL, ConditionOf, DryRun, PersonaId, ServiceOf, written
from netpersona.control.store import Record
from netpersona.control.streams import Since, Watch, stream
from netpersona.kinds.shown import brief

router = APIRouter(prefix="/v1", tags=["personas"])
_DOCUMENT = body_of(PERSONA_SCHEMA, yaml=True)


@router.post(
    "/personas",
    status_code=201,
    responses=answers(*BODY, 409, 503, ok=models.Plan, created=models.Persona),
    openapi_extra=_DOCUMENT,
)
async def create_persona(request: Request, service: ServiceOf, dry_run: DryRun = False) -> Response:
    """Store a persona, in any of the three spellings."""
    created = await service.personas.create(await read_document(request), dry_run=dry_run)
    return written(created, service.personas.resource, 201)


@router.get("/personas", responses=answers(410, ok=models.PersonaPage))
async def list_personas(
    request: Request,
    service: ServiceOf,
    watch: Watch = False,
    revision: Since = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> Response:
    """List personas by name, or watch them."""
    if watch:
        return stream(service.feed, "personas", request, revision)
    return answer(page(service.store, PERSONAS, limit, cursor, service.personas.resources))


@router.get("/personas/{persona_id}", responses=answers(404, ok=models.Persona))
async def get_persona(persona_id: PersonaId, service: ServiceOf) -> Response:
    return answer(service.personas.resource(service.personas.get(persona_id)))


@router.put(
    "/personas/{persona_id}",
    responses=answers(*BODY, 412, 428, 503, ok=models.PersonaOrPlan, created=models.Persona),
    openapi_extra={**_DOCUMENT, **CONDITIONAL},
)
async def replace_persona(
    persona_id: PersonaId,
    request: Request,
    service: ServiceOf,
    condition: ConditionOf,
    dry_run: DryRun = False,
) -> Response:
    """Store a new revision; workloads that follow the persona wear it at once, pinned ones do not.

    Creates the persona if there is none. Replacing needs If-Match.
    """
    document = await read_document(request)
    result = await service.personas.replace(persona_id, document, condition, dry_run=dry_run)
    created = isinstance(result, Record) and result.value["created_at"] == result.value["updated_at"]
    return written(result, service.personas.resource, 201 if created else 200)


@router.delete(
    "/personas/{persona_id}",
    status_code=204,
    responses=answers(404, 409, 412, 503, ok=models.Plan),
    openapi_extra=CONDITIONAL,
)
async def delete_persona(
    persona_id: PersonaId, service: ServiceOf, condition: ConditionOf, dry_run: DryRun = False
) -> Response:
    """Remove a persona that no workload uses."""
    return written(
        await service.personas.delete(persona_id, condition, dry_run=dry_run), service.personas.resource
    )


@router.get("/presets", responses=answers(ok=models.PresetPage))
async def list_presets() -> Response:
    """The personas that come with netpersona; any may be assigned by its name."""
    return answer(
        {"items": [{"persona_id": name, "spec": spec} for name, spec in preset_documents().items()]}
    )


@router.get("/presets/{persona_id}", responses=answers(404, ok=models.Preset))
async def get_preset(persona_id: PersonaId) -> Response:
    spec = preset(persona_id)
    if spec is None:
        raise NotFound(f"there is no preset {brief(persona_id)}", remedy="GET /v1/presets lists them")
    return answer({"persona_id": persona_id, "spec": spec})
