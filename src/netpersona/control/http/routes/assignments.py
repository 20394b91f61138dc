"""/v1/workloads/{id}/persona, /confirm and /rollback: what a workload wears."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.routing import APIRoute

from netpersona.control.actions.durations import duration_s
from netpersona.control.http.answers import BODY, answer, answers, model_body
from netpersona.control.http.bodies import read_model
from netpersona.control.http.routes.common import CONDITIONAL, CallOf, ServiceOf, WorkloadId, written
from netpersona.control.http.shapes import answer_of, or_plan
from netpersona.control.preconditions import etag
from netpersona.control.problems import NotFound
from netpersona.control.resources.generic import Plan
from netpersona.control.service import Service
from netpersona.control.store.protocol import Record
from netpersona.kinds.kind import shallow
from netpersona.kinds.plans import WorkloadPlan
from netpersona.kinds.workload import WORKLOAD, Assignment, AssignmentRequest

router = APIRouter(prefix="/v1/workloads/{workload_id}", tags=["assignments"])

Wait = Annotated[
    str | None,
    Query(
        max_length=40, description="Answer when the agent has applied it, or 202 after this time: 1s, 500ms"
    ),
]


@router.put(
    "/persona",
    responses=answers(*BODY, 404, 409, 412, 503, ok=or_plan(WORKLOAD), accepted=answer_of(WORKLOAD)),
    openapi_extra={**model_body(AssignmentRequest), **CONDITIONAL},
)
async def assign_persona(
    workload_id: WorkloadId,
    request: Request,
    service: ServiceOf,
    call: CallOf,
    wait: Wait = None,
) -> Response:
    """Put a persona on a workload.

    With a ttl it is a trial: the data path goes to the fallback by itself when the time has passed. Replacing
    an unfinished trial by another one keeps the first one's fallback. With confirm_within it goes back in the
    same way unless it is confirmed in time; an unconfirmed one that is replaced so keeps the first one's way
    back, and a trial has none (409). The header Server-Timing says how many
    milliseconds it took to read the request (parse) and to store it and tell the watchers (commit).
    """
    begin = time.perf_counter()
    wanted = await read_model(request, AssignmentRequest)
    patience_s = _patience_s(wait)
    parsed = time.perf_counter()
    result = await service.assignments.assign(workload_id, wanted, call)
    told = time.perf_counter()
    response = await _applied(service, result, patience_s)
    response.headers["Server-Timing"] = server_timing(begin, parsed, told)
    return response


def server_timing(begin: float, parsed: float, told: float) -> str:
    """Of an assignment: when it came, was read, and was stored and told, by ``time.perf_counter``."""
    return f"parse;dur={(parsed - begin) * 1e3:.3f}, commit;dur={(told - parsed) * 1e3:.3f}"


@router.get("/persona", responses=answers(404, ok=Assignment))
async def get_assignment(workload_id: WorkloadId, service: ServiceOf) -> Response:
    """What the workload wears; 404 if nothing."""
    workload = service.workloads.get(workload_id)
    assignment = workload.state.assignment
    if assignment is None:
        raise NotFound(
            f"workload {workload_id} wears no persona",
            remedy="PUT /v1/workloads/{workload_id}/persona assigns one",
        )
    worn = answer(shallow(assignment))
    worn.headers["ETag"] = etag(workload.revision)
    return worn


@router.delete(
    "/persona",
    responses=answers(404, 412, 503, ok=or_plan(WORKLOAD), accepted=answer_of(WORKLOAD)),
    openapi_extra=CONDITIONAL,
)
async def release_workload(
    workload_id: WorkloadId,
    service: ServiceOf,
    call: CallOf,
    wait: Wait = None,
) -> Response:
    """Take the persona off; its packets pass untouched again."""
    patience_s = _patience_s(wait)
    result = await service.assignments.release(workload_id, call)
    return await _applied(service, result, patience_s)


@router.post(
    "/rollback",
    responses=answers(404, 409, 412, 503, ok=or_plan(WORKLOAD), accepted=answer_of(WORKLOAD)),
    openapi_extra=CONDITIONAL,
)
async def roll_back(
    workload_id: WorkloadId,
    service: ServiceOf,
    call: CallOf,
    wait: Wait = None,
) -> Response:
    """Put on what the workload wore before, at that very revision."""
    patience_s = _patience_s(wait)
    result = await service.assignments.rollback(workload_id, call)
    return await _applied(service, result, patience_s)


@router.post(
    "/plan",
    responses=answers(*BODY, 404, ok=WorkloadPlan),
    openapi_extra=model_body(AssignmentRequest),
)
async def plan_assignment(workload_id: WorkloadId, request: Request, service: ServiceOf) -> Response:
    """Every change that PUT …/persona would make, with what it does to traffic; nothing is stored.

    Settings of the interface are held against what its agent reported last; no agent is asked. Refusals say
    what the interface cannot do.
    """
    wanted = await read_model(request, AssignmentRequest)
    return answer(service.assignments.plan(workload_id, wanted).model_dump(mode="json"))


@router.post(
    "/confirm",
    responses=answers(404, 409, 412, 503, ok=or_plan(WORKLOAD), accepted=answer_of(WORKLOAD)),
    openapi_extra=CONDITIONAL,
)
async def confirm_assignment(
    workload_id: WorkloadId,
    service: ServiceOf,
    call: CallOf,
    wait: Wait = None,
) -> Response:
    """Keep what was assigned with confirm_within; 409 if it has gone back by itself, or nothing waits."""
    patience_s = _patience_s(wait)
    result = await service.assignments.confirm(workload_id, call)
    return await _applied(service, result, patience_s)


def _patience_s(wait: str | None) -> float | None:
    return duration_s(wait, "/wait", low_s=0, high_s=60, where="query") if wait is not None else None


async def _applied(service: Service, result: Record | Plan, patience_s: float | None) -> Response:
    """The answer, once the agent says that it is so; 202 if it does not in time."""
    if patience_s is None or not isinstance(result, Record):
        return written(result, service.workloads)
    sequence = service.workloads.assignment(result).sequence
    applied = await service.statuses.applied(result.key, sequence, patience_s)
    return written(result, service.workloads, 200 if applied else 202)


def _again(routes: APIRouter) -> APIRouter:
    """The persona of a workload under a second name, `/v1/interfaces/{id}/persona`."""
    again = APIRouter(prefix="/v1/interfaces/{workload_id}", tags=["assignments"])
    found = (route for route in routes.routes if isinstance(route, APIRoute))
    for route in (route for route in found if route.path == f"{routes.prefix}/persona"):
        again.add_api_route(
            "/persona",
            route.endpoint,
            methods=sorted(route.methods or ()),
            description=f"Second name of {routes.prefix}/persona. {route.description}",
            responses=route.responses,
            openapi_extra=route.openapi_extra,
        )
    return again


interfaces = _again(router)
