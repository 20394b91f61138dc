"""/v1/workloads/{id}/verifications: requested against achieved."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import create_model

from netpersona.control.http.answers import BODY, answer, answers, model_body
from netpersona.control.http.bodies import read_model
from netpersona.control.http.routes.common import CallerOf, ServiceOf, WorkloadId
from netpersona.control.http.shapes import answer_of
from netpersona.control.identity.calls import Call
from netpersona.control.models import Answer
from netpersona.control.service import Service
from netpersona.control.store.protocol import Record
from netpersona.kinds.verification import VERIFICATION, VerificationRequest, VerificationResult

router = APIRouter(prefix="/v1/workloads/{workload_id}/verifications", tags=["verifications"])

VerificationAnswer = answer_of(VERIFICATION)
VerificationPage = create_model(
    "VerificationPage",
    __base__=Answer,
    items=(list[VerificationAnswer], ...),  # type: ignore[valid-type]
)


@router.post(
    "",
    status_code=202,
    responses=answers(*BODY, 404, 503, accepted=VerificationAnswer),
    openapi_extra=model_body(VerificationRequest),
)
async def request_verification(
    workload_id: WorkloadId, request: Request, service: ServiceOf, caller: CallerOf
) -> Response:
    """Ask the agent to send probes through the attachment; read the result at Location."""
    wanted = await read_model(request, VerificationRequest)
    record = await service.verifications.request(workload_id, wanted, Call(caller))
    location = f"/v1/workloads/{record.key.replace('/', '/verifications/')}"
    return _shown(service, record, 202, location=location)


@router.get("", responses=answers(404, ok=VerificationPage))
async def list_verifications(workload_id: WorkloadId, service: ServiceOf) -> Response:
    """The last ones, oldest first."""
    found = service.verifications.resources(service.verifications.list(workload_id))
    return answer({"items": [VERIFICATION.dump(resource) for resource in found]})


@router.get("/{verification_id}", responses=answers(404, ok=VerificationAnswer))
async def get_verification(workload_id: WorkloadId, verification_id: str, service: ServiceOf) -> Response:
    """How it goes, and what came of it."""
    return _shown(service, service.verifications.record(workload_id, verification_id))


@router.delete("/{verification_id}", responses=answers(404, 503, ok=VerificationAnswer))
async def cancel_verification(
    workload_id: WorkloadId, verification_id: str, service: ServiceOf, caller: CallerOf
) -> Response:
    """Cancel it: the agent stops sending. One that is finished stays as it is."""
    return _shown(service, await service.verifications.cancel(workload_id, verification_id, Call(caller)))


@router.put(
    "/{verification_id}",
    responses=answers(*BODY, 404, 409, 503, ok=VerificationAnswer),
    openapi_extra=model_body(VerificationResult),
)
async def report_verification(
    workload_id: WorkloadId, verification_id: str, request: Request, service: ServiceOf, caller: CallerOf
) -> Response:
    """For agents: that it is running, then the result, once."""
    result = await read_model(request, VerificationResult)
    call = Call(caller)
    return _shown(service, await service.verifications.report(workload_id, verification_id, result, call))


def _shown(service: Service, record: Record, status: int = 200, *, location: str | None = None) -> Response:
    return answer(VERIFICATION.dump(service.verifications.resource(record)), status, location=location)
