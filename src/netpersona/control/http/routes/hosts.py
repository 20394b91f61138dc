"""/v1/hosts: the agents that have reported."""

from __future__ import annotations

from fastapi import Request, Response

from netpersona.control import models
from netpersona.control.http.answers import BODY, answer, answers, model_body
from netpersona.control.http.bodies import read_model, validate_value
from netpersona.control.http.routes.common import CallerOf, HostId, ServiceOf
from netpersona.control.http.routes.kinds import routes_of
from netpersona.control.http.shapes import answer_of
from netpersona.control.identity.calls import Call
from netpersona.control.problems import NotFound
from netpersona.control.service import Service
from netpersona.kinds.host import HOST, HostReport
from netpersona.kinds.names import Identifier
from netpersona.kinds.workload import StatusReport

router = routes_of(HOST, said={"list": "The agents that have reported."})


@router.put(
    "/{host}", responses=answers(*BODY, 409, ok=answer_of(HOST)), openapi_extra=model_body(HostReport)
)
async def report_host(host: HostId, request: Request, service: ServiceOf, caller: CallerOf) -> Response:
    """For agents: a heartbeat with what the host can do."""
    validate_value(Identifier, host, "/host")
    report = await read_model(request, HostReport)
    return answer(HOST.dump(service.hosts.put(host, report, Call(caller))))


@router.put(
    "/{host}/statuses",
    responses=answers(*BODY, ok=models.StatusesTaken),
    openapi_extra=model_body(models.StatusReports),
)
async def report_statuses(host: HostId, request: Request, service: ServiceOf, caller: CallerOf) -> Response:
    """For agents: what was observed of several workloads. Does not change their revisions."""
    validate_value(Identifier, host, "/host")
    reports = (await read_model(request, models.StatusReports)).statuses
    call = Call(caller)
    unknown = [name for name, report in reports.items() if not _take(service, name, report, call)]
    return answer({"unknown": unknown})


@router.put(
    "/{host}/measured",
    responses=answers(*BODY, ok=models.MeasuredTaken),
    openapi_extra=model_body(models.MeasuredReports),
)
async def report_measured(host: HostId, request: Request, service: ServiceOf) -> Response:
    """For agents: measured conditions of several workloads. Does not change their revisions."""
    validate_value(Identifier, host, "/host")
    reports = (await read_model(request, models.MeasuredReports)).workloads
    unknown, wanted = [], []
    for name, report in reports.items():
        try:
            if not service.report_measured(name, report):
                wanted.append(name)
        except NotFound:
            unknown.append(name)
    return answer({"unknown": unknown, "wanted": wanted})


def _take(service: Service, workload_id: str, report: StatusReport, call: Call) -> bool:
    try:
        service.report_status(workload_id, report, call)
    except NotFound:
        return False
    return True
