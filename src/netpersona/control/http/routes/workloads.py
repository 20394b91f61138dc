"""/v1/workloads: where workloads are, and what the agents say about them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import AwareDatetime

from netpersona.control import models
from netpersona.control.clock import rfc3339
from netpersona.control.http.answers import BODY, answer, answers, model_body
from netpersona.control.http.bodies import read_model
from netpersona.control.http.pages import Cursor, Limit, page
from netpersona.control.http.routes.common import CallerOf, CallOf, ServiceOf, WorkloadId, written
from netpersona.control.http.routes.kinds import router_of, routes_of
from netpersona.control.http.shapes import answer_of, page_of
from netpersona.control.http.streams import Since, Watch, stream
from netpersona.control.identity.calls import Call
from netpersona.control.problems import Detail, NotFound, Unprocessable
from netpersona.control.service import Service
from netpersona.control.watch.sources import HOST_FEED
from netpersona.kinds.kind import shallow
from netpersona.kinds.measured import Sample
from netpersona.kinds.workload import WORKLOAD, StatusReport

router = router_of(WORKLOAD)

SincePart = Annotated[
    AwareDatetime | None, Query(description="Only what ended later, a moment as in `at` of an earlier answer")
]
HostPart = Annotated[str | None, Query(max_length=200, description="Only what the agent of this host needs")]


@router.post(
    "",
    status_code=201,
    responses=answers(*BODY, 409, 503, ok=models.Plan, created=answer_of(WORKLOAD)),
    openapi_extra=model_body(models.NewWorkload),
)
async def create_workload(request: Request, service: ServiceOf, call: CallOf) -> Response:
    """Say where a workload is; its agent attaches to it. Without persona it wears nothing yet."""
    wanted = await read_model(request, models.NewWorkload)
    return written(await service.assignments.create(wanted, call), service.workloads, 201)


@router.get("", responses=answers(410, ok=page_of(WORKLOAD)))
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
    told once more) and their verifications, without statuses. Its objects are WantedWorkload; they name
    personas by digest, and a line DOCUMENT (WantedDocument) comes once before. FORGET: what came so far will
    not be referred to again.
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
    return answer(page(service.workloads, service.store.revision, limit, cursor))


routes_of(
    WORKLOAD,
    but=frozenset({"create", "watch"}),
    said={
        "replace": "Say anew where a workload is; it keeps what it wears.",
        "delete": "Forget a workload; its agent takes the persona off.",
    },
    router=router,
)


@router.put(
    "/{workload_id}/status",
    responses=answers(*BODY, 404, ok=StatusReport),
    openapi_extra=model_body(StatusReport),
)
async def report_status(
    workload_id: WorkloadId, request: Request, service: ServiceOf, caller: CallerOf
) -> Response:
    """For agents: what was observed. Does not change the workload's revision."""
    report = await read_model(request, StatusReport)
    return answer(shallow(service.report_status(workload_id, report, Call(caller))))


@router.get("/{workload_id}/status", responses=answers(404, ok=StatusReport))
async def get_status(workload_id: WorkloadId, service: ServiceOf) -> Response:
    """What its agent last reported; 404 until it has."""
    service.workloads.record(workload_id)
    status = service.statuses.get(workload_id)
    if status is None:
        raise NotFound(
            f"no agent has reported on workload {workload_id}",
            remedy="see GET /v1/hosts whether the agent of its host is there",
        )
    return answer(shallow(status))


@router.get("/{workload_id}/measured", responses=answers(404, ok=models.MeasuredHistory))
async def get_measured(workload_id: WorkloadId, service: ServiceOf, since: SincePart = None) -> Response:
    """Conditions measured of its traffic, one sample an interval; the newest is in its status, too."""
    service.workloads.record(workload_id)
    since_s = since.timestamp() if since else float("-inf")
    samples = service.measurements.history(workload_id, since_s)
    return answer({"workload_id": workload_id, "items": [_sample(service, sample) for sample in samples]})


def _sample(service: Service, sample: Sample) -> dict[str, Any]:
    at = rfc3339(datetime.fromtimestamp(sample.at_s, UTC))
    return {"at": at, **service.measurements.aged(sample).model_dump(mode="json")}


@router.get("/{workload_id}/counters", responses=answers(404, ok=models.Counters))
async def get_counters(workload_id: WorkloadId, service: ServiceOf) -> Response:
    """Packets by verdict and reason, and the lanes of the engine, as last reported; null until then."""
    service.workloads.record(workload_id)
    status = service.statuses.get(workload_id)
    keys = ("counters", "lanes", "observed_at")
    return answer({"workload_id": workload_id, **{key: getattr(status, key, None) for key in keys}})
