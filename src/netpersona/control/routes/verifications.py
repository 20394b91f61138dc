"""/v1/workloads/{id}/verifications: requested against achieved."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from netpersona.control import models
from netpersona.control.answers import BODY, answer, answers, model_body
from netpersona.control.bodies import read_model
from netpersona.control.routes.common import ServiceOf, WorkloadId
from netpersona.kinds.verification import VerificationRequest, VerificationResult

router = APIRouter(prefix="/v1/workloads/{workload_id}/verifications", tags=["verifications"])


@router.post(
    "",
    status_code=202,
    responses=answers(*BODY, 404, 503, accepted=models.Verification),
    openapi_extra=model_body(VerificationRequest),
)
async def request_verification(workload_id: WorkloadId, request: Request, service: ServiceOf) -> Response:
    """Ask the agent to send probes through the attachment; read the result at Location."""
    wanted = await read_model(request, VerificationRequest)
    resource = service.verifications.resource(await service.verifications.request(workload_id, wanted))
    location = f"/v1/workloads/{workload_id}/verifications/{resource['verification_id']}"
    return answer(resource, 202, location=location)


@router.get("", responses=answers(404, ok=models.VerificationPage))
async def list_verifications(workload_id: WorkloadId, service: ServiceOf) -> Response:
    """The last ones, oldest first."""
    found = service.verifications.list(workload_id)
    return answer({"items": [service.verifications.resource(record) for record in found]})


@router.get("/{verification_id}", responses=answers(404, ok=models.Verification))
async def get_verification(workload_id: WorkloadId, verification_id: str, service: ServiceOf) -> Response:
    """How it goes, and what came of it."""
    return answer(service.verifications.resource(service.verifications.get(workload_id, verification_id)))


@router.delete("/{verification_id}", responses=answers(404, 503, ok=models.Verification))
async def cancel_verification(workload_id: WorkloadId, verification_id: str, service: ServiceOf) -> Response:
    """Cancel it: the agent stops sending. One that is finished stays as it is."""
    record = await service.verifications.cancel(workload_id, verification_id)
    return answer(service.verifications.resource(record))


@router.put(
    "/{verification_id}",
    responses=answers(*BODY, 404, 409, 503, ok=models.Verification),
    openapi_extra=model_body(VerificationResult),
)
async def report_verification(
    workload_id: WorkloadId, verification_id: str, request: Request, service: ServiceOf
) -> Response:
    """For agents: that it is running, then the result, once."""
    result = await read_model(request, VerificationResult)
    record = await service.verifications.report(workload_id, verification_id, result)
    return answer(service.verifications.resource(record))
