"""/v1/workloads: where workloads are, and what the agents say about them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from netpersona.control import models
from netpersona.control.answers import BODY, answer, answers, model_body
from netpersona.control.bodies import read_model, read_object, validate
from netpersona.control.desk import WORKLOADS
from netpersona.control.pages import Cursor, Limit, page
from netpersona.control.problems import Detail, NotFound, Unprocessable
from netpersona.control.routes.common import CONDITIONAL, ConditionOf, DryRun, ServiceOf, WorkloadId, written
from netpersona.control.service import HOST_FEED
from netpersona.control.streams import Since, Watch, stream
from netpersona.kinds.workload import StatusReport, WorkloadSpec

router = APIRouter(prefix="/v1/workloads", tags=["workloads"])

HostPart = Annotated[str | None, Query(max_length=200, description="Only what the agent of this host needs")]


@router.post(
    "",
    status_code=201,
    responses=answers(*BODY, 409, 503, ok=models.Plan, created=models.Workload),
    openapi_extra=model_body(models.NewWorkload),
)
async def create_workload(request: Request, service: ServiceOf, dry_run: DryRun = False) -> Response:
    """Say where a workload is; its agent attaches to it. Without persona it wears nothing yet."""
    wanted = await read_model(request, models.NewWorkload)
    created = await service.assignments.create(wanted, dry_run=dry_run)
    return written(created, service.workloads.resource, 201)


@router.get("", responses=answers(410, ok=models.WorkloadPage))
async def list_workloads(
    request: Request,
    service: ServiceOf,
    watch: Watch = False,
    revision: Since = None,
    host: HostPart = None,
    limit: Limit = 200,
    cursor: Cursor = None,
) -> Response:
    """List workloads by name, or watch them, their status and their verifications.

    With host, a watch is what the agent of that host needs: its workloads (one that moves to another host is
    told once more) and their verifications, without statuses.
    """
    if host is not None and (not watch or revision is not None):
        problem = Detail(
            "/host", "host goes with watch=1 and without revision", "write ?watch=1&host=NAME", "query"
        )
        raise Unprocessable(problem.detail, errors=[problem])
    if host is not None:
        return stream(service.feed, HOST_FEED, request, None, host)
    if watch:
        return stream(service.feed, "workloads", request, revision)
    return answer(page(service.store, WORKLOADS, limit, cursor, service.workloads.resources))


@router.get("/{workload_id}", responses=answers(404, ok=models.Workload))
async def get_workload(workload_id: WorkloadId, service: ServiceOf) -> Response:
    return answer(service.workloads.resource(service.workloads.get(workload_id)))


@router.put(
    "/{workload_id}",
    responses=answers(*BODY, 412, 428, 503, ok=models.WorkloadOrPlan, created=models.Workload),
    openapi_extra={**model_body(WorkloadSpec), **CONDITIONAL},
)
async def replace_workload(
    workload_id: WorkloadId,
    request: Request,
    service: ServiceOf,
    condition: ConditionOf,
    dry_run: DryRun = False,
) -> Response:
    """Say anew where a workload is; it keeps what it wears. Replacing needs If-Match."""
    body = await read_object(request)
    if body.setdefault("workload_id", workload_id) != workload_id:
        raise Unprocessable(
            "the body names another workload than the path",
            remedy="write the same name in both; a workload cannot be renamed",
            pointer="/workload_id",
        )
    wanted = validate(models.NamedWorkload, body)
    known = service.store.get(WORKLOADS, workload_id)
    result = await service.workloads.replace(workload_id, wanted, condition, dry_run=dry_run)
    return written(result, service.workloads.resource, 200 if known else 201)


@router.delete(
    "/{workload_id}",
    status_code=204,
    responses=answers(404, 412, 503, ok=models.Plan),
    openapi_extra=CONDITIONAL,
)
async def delete_workload(
    workload_id: WorkloadId, service: ServiceOf, condition: ConditionOf, dry_run: DryRun = False
) -> Response:
    """Forget a workload; its agent takes the persona off."""
    return written(
        await service.workloads.delete(workload_id, condition, dry_run=dry_run), service.workloads.resource
    )


@router.put(
    "/{workload_id}/status",
    responses=answers(*BODY, 404, ok=StatusReport),
    openapi_extra=model_body(StatusReport),
)
async def report_status(workload_id: WorkloadId, request: Request, service: ServiceOf) -> Response:
    """For agents: what was observed. Does not change the workload's revision."""
    report = await read_model(request, StatusReport)
    return answer(service.report_status(workload_id, report.model_dump()))


@router.get("/{workload_id}/status", responses=answers(404, ok=StatusReport))
async def get_status(workload_id: WorkloadId, service: ServiceOf) -> Response:
    """What its agent last reported; 404 until it has."""
    service.workloads.get(workload_id)
    status = service.statuses.get(workload_id)
    if status is None:
        raise NotFound(
            f"no agent has reported on workload {workload_id}",
            remedy="see GET /v1/hosts whether the agent of its host is there",
        )
    return answer(status)


@router.get("/{workload_id}/counters", responses=answers(404, ok=models.Counters))
async def get_counters(workload_id: WorkloadId, service: ServiceOf) -> Response:
    """Packets by verdict and reason, and the lanes of the engine, as last reported; null until then."""
    service.workloads.get(workload_id)
    status = service.statuses.get(workload_id) or {}
    keys = ("counters", "lanes", "observed_at")
    return answer({"workload_id": workload_id} | {key: status.get(key) for key in keys})
