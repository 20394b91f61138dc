"""/v1/workloads/{id}/requirement: a persona written for what an application requires."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from netpersona.control import models
from netpersona.control.http.answers import BODY, answer, answers, model_body
from netpersona.control.http.bodies import read_model
from netpersona.control.http.routes.common import CONDITIONAL, CallOf, ServiceOf, WorkloadId
from netpersona.kinds.requirement import Requirement

router = APIRouter(prefix="/v1/workloads/{workload_id}/requirement", tags=["requirements"])


@router.post(
    "",
    responses=answers(*BODY, 404, 409, 412, 503, ok=models.WrittenPersona),
    openapi_extra={**model_body(Requirement), **CONDITIONAL},
)
async def write_persona(
    workload_id: WorkloadId, request: Request, service: ServiceOf, call: CallOf
) -> Response:
    """Write a persona for what an application requires and what is measured, and put it on.

    What the worn persona protects the workload by is taken over. It is deleted a minute after nothing refers
    to it any more, unless a person has replaced it meanwhile.
    """
    wanted = await read_model(request, Requirement)
    return answer((await service.requirements.put_on(workload_id, wanted, call)).told())
