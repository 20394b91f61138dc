"""Two older families of endpoints over the same service, each answering in its own spelling.

``/personas`` and ``/vms`` speak flat snake case, ``/v1/personalities`` and ``/v1/vms`` flat camel case. A vm
is a workload of any kind. They know no conditions: an update replaces whatever is there.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Request, Response

from netpersona.control.http.answers import BODY, answer, answers, body_of
from netpersona.control.http.bodies import read_document
from netpersona.control.http.flat import flat_camel, flat_snake
from netpersona.control.http.openapi import CAMEL_SCHEMA, SNAKE_SCHEMA
from netpersona.control.http.routes.common import CallerOf, PersonaId, ServiceOf, WorkloadId
from netpersona.control.identity.calls import Call, Caller
from netpersona.control.models import FlatCamel, FlatSnake, WornCamel, WornSnake
from netpersona.control.preconditions import Precondition
from netpersona.control.problems import NotFound, Unprocessable
from netpersona.control.service import Service
from netpersona.control.store.protocol import Record
from netpersona.kinds.persona import Persona, from_mapping
from netpersona.kinds.workload import AssignmentRequest

router = APIRouter(tags=["older endpoints"])

Spell = Callable[[Persona], dict[str, Any]]
_WRITE: Final = (*BODY, 503)


@router.post(
    "/personas/create",
    status_code=201,
    responses=answers(*_WRITE, 409, created=FlatSnake),
    openapi_extra=body_of(SNAKE_SCHEMA),
)
async def create_persona(request: Request, service: ServiceOf, caller: CallerOf) -> Response:
    """Store a persona; one without a name gets one."""
    return _spelled(await _create(request, service, caller), flat_snake, 201)


@router.put(
    "/personas/update/{persona_id}",
    responses=answers(*_WRITE, 404, ok=FlatSnake),
    openapi_extra=body_of(SNAKE_SCHEMA),
)
async def update_persona(
    persona_id: PersonaId, request: Request, service: ServiceOf, caller: CallerOf
) -> Response:
    """Replace a persona; workloads that follow it wear the new revision at once."""
    return _spelled(await _update(persona_id, request, service, caller), flat_snake)


@router.get("/personas/get/{persona_id}", responses=answers(404, ok=FlatSnake))
async def get_persona(persona_id: PersonaId, service: ServiceOf) -> Response:
    return _spelled(service.personas.record(persona_id), flat_snake)


@router.post("/vms/{vm_id}/persona/{persona_id}", responses=answers(404, 503, ok=WornSnake))
async def assign_persona(
    vm_id: WorkloadId, persona_id: PersonaId, service: ServiceOf, caller: CallerOf
) -> Response:
    """Put a persona or a preset on a vm, until changed."""
    document = await _assign(service, vm_id, persona_id, caller)
    return answer({"vm_id": vm_id, "persona_id": persona_id, "persona": flat_snake(document)})


@router.get("/vms/{vm_id}/persona", responses=answers(404, ok=WornSnake))
async def get_worn(vm_id: WorkloadId, service: ServiceOf) -> Response:
    """What a vm wears; 404 if nothing."""
    worn = service.workloads.get(vm_id).state.assignment
    if worn is None:
        raise NotFound(
            f"vm {vm_id} wears no persona", remedy="POST /vms/{vm_id}/persona/{persona_id} assigns one"
        )
    document = flat_snake(from_mapping(worn.persona))
    return answer({"vm_id": vm_id, "persona_id": worn.persona_id, "persona": document})


@router.post(
    "/v1/personalities",
    status_code=201,
    responses=answers(*_WRITE, 409, created=FlatCamel),
    openapi_extra=body_of(CAMEL_SCHEMA),
)
async def create_personality(request: Request, service: ServiceOf, caller: CallerOf) -> Response:
    """Store a personality; one without a name gets one."""
    return _spelled(await _create(request, service, caller), flat_camel, 201)


@router.put(
    "/v1/personalities/{personalityId}",
    responses=answers(*_WRITE, 404, ok=FlatCamel),
    openapi_extra=body_of(CAMEL_SCHEMA),
)
async def update_personality(
    personalityId: PersonaId, request: Request, service: ServiceOf, caller: CallerOf
) -> Response:
    """Replace a personality; workloads that follow it wear the new revision at once."""
    return _spelled(await _update(personalityId, request, service, caller), flat_camel)


@router.post("/v1/vms/{vmId}/personalities/{personalityId}", responses=answers(404, 503, ok=WornCamel))
async def assign_personality(
    vmId: WorkloadId, personalityId: PersonaId, service: ServiceOf, caller: CallerOf
) -> Response:
    """Put a personality or a preset on a vm, until changed."""
    document = await _assign(service, vmId, personalityId, caller)
    return answer({"vmId": vmId, "personalityId": personalityId, "personality": flat_camel(document)})


@router.delete("/v1/vms/{vmId}/personalities", status_code=204, responses=answers(404, 503))
async def release_vm(vmId: WorkloadId, service: ServiceOf, caller: CallerOf) -> Response:
    """Take the personality off a vm."""
    await service.assignments.release(vmId, Call(caller))
    return Response(status_code=204)


async def _create(request: Request, service: Service, caller: Caller) -> Record:
    document = await read_document(request)
    created = await service.personas.create(
        document, Call(caller), default_name=f"persona-{secrets.token_hex(4)}"
    )
    assert isinstance(created, Record)
    return created


async def _update(persona_id: str, request: Request, service: Service, caller: Caller) -> Record:
    service.personas.record(persona_id)
    document = await read_document(request)
    call = Call(caller, Precondition(if_match="*"))
    replaced = await service.personas.replace(persona_id, document, call)
    assert isinstance(replaced, Record)
    return replaced


async def _assign(service: Service, vm_id: str, persona_id: str, caller: Caller) -> Persona:
    service.workloads.record(vm_id)
    wanted = AssignmentRequest.model_construct(persona_id=persona_id)
    try:
        await service.assignments.assign(vm_id, wanted, Call(caller))
    except Unprocessable as error:
        raise NotFound(error.detail, errors=error.errors) from None
    worn = service.workloads.get(vm_id).state.assignment
    assert worn is not None
    return from_mapping(worn.persona)


def _spelled(record: Record, spell: Spell, status: int = 200) -> Response:
    return answer(spell(from_mapping(record.value["spec"])), status)
