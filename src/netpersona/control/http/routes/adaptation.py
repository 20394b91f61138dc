"""/v1/workloads/{id}/adaptation, and /v1/adaptation: who adapts, and what was decided."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from netpersona.control import models
from netpersona.control.http.answers import BODY, answer, answers, model_body
from netpersona.control.http.bodies import read_model
from netpersona.control.http.routes.common import CONDITIONAL, CallOf, ServiceOf, WorkloadId, written
from netpersona.control.http.shapes import or_plan
from netpersona.control.preconditions import etag
from netpersona.kinds.adaptation import AdaptationRequest, AdaptationState, AdaptationSwitch
from netpersona.kinds.workload import WORKLOAD

router = APIRouter(prefix="/v1/workloads/{workload_id}/adaptation", tags=["adaptation"])
all_of_them = APIRouter(prefix="/v1/adaptation", tags=["adaptation"])


@router.put(
    "",
    responses=answers(*BODY, 404, 412, 503, ok=or_plan(WORKLOAD)),
    openapi_extra={**model_body(AdaptationRequest), **CONDITIONAL},
)
async def enable_adaptation(
    workload_id: WorkloadId, request: Request, service: ServiceOf, call: CallOf
) -> Response:
    """Let a workload's persona be chosen by a policy, from what is measured.

    Whoever puts another persona on, or takes it off, pauses that: of a trial until it ends, else until this
    is sent again.
    """
    wanted = await read_model(request, AdaptationRequest)
    return written(await service.adaptations.enable(workload_id, wanted, call), service.workloads)


@router.get("", responses=answers(404, ok=AdaptationState))
async def get_adaptation(workload_id: WorkloadId, service: ServiceOf) -> Response:
    """By which policy it adapts, and what was decided last on which inputs; 404 if it does not."""
    record = service.adaptations.required(workload_id)
    state = service.workloads.resource(record).state.adaptation
    assert state is not None, "it adapts"
    shown = answer(state.model_dump(mode="json"))
    shown.headers["ETag"] = etag(record.revision)
    return shown


@router.delete("", responses=answers(404, 412, 503, ok=or_plan(WORKLOAD)), openapi_extra=CONDITIONAL)
async def disable_adaptation(workload_id: WorkloadId, service: ServiceOf, call: CallOf) -> Response:
    """What the workload wears stays, until somebody changes it."""
    return written(await service.adaptations.disable(workload_id, call), service.workloads)


@router.get("/decisions", responses=answers(404, ok=models.Decisions))
async def list_decisions(workload_id: WorkloadId, service: ServiceOf) -> Response:
    """Decisions that changed something, or would have: inputs, scores, reason, outcome; oldest first."""
    found = service.adaptations.log(workload_id)
    return answer({"items": [decision.model_dump(mode="json") for decision in found]})


@all_of_them.get("", responses=answers(ok=models.AdaptationOfAll))
async def get_adaptation_of_all(service: ServiceOf) -> Response:
    """Whether anything adapts, and which workloads do."""
    return answer(service.adaptations.all())


@all_of_them.put(
    "",
    responses=answers(*BODY, 503, ok=models.AdaptationOfAll),
    openapi_extra=model_body(AdaptationSwitch),
)
async def switch_adaptation_of_all(request: Request, service: ServiceOf, call: CallOf) -> Response:
    """The kill switch: with enabled false nothing is switched by itself until it is true again."""
    wanted = await read_model(request, AdaptationSwitch)
    return answer(await service.adaptations.switch_all(enabled=wanted.enabled, call=call))
