"""/healthz, /readyz and /metrics."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from netpersona.control.http.answers import Responses, answer, answers
from netpersona.control.http.routes.common import ServiceOf
from netpersona.control.models import Health
from netpersona.control.store.protocol import StoreClosed

router = APIRouter(tags=["health"])
OPEN: Final[dict[str, Any]] = {"security": []}


def open_answers(*refusals: int) -> Responses:
    """Answers of a path that needs no token."""
    found = answers(*refusals, ok=Health)
    return {status: said for status, said in found.items() if status not in (401, 422)}


@router.get("/healthz", responses=open_answers(), openapi_extra=OPEN)
async def healthz() -> Response:
    """The process runs. Needs no token."""
    return answer({"status": "ok"})


@router.get("/readyz", responses=open_answers(503), openapi_extra=OPEN)
async def readyz(service: ServiceOf) -> Response:
    """The manager takes requests. Needs no token."""
    if service.closed:
        raise StoreClosed("the manager is stopping")
    return answer({"status": "ok"})


@router.get(
    "/metrics",
    responses={
        **answers(),
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "OpenMetrics"},
    },
)
async def metrics(service: ServiceOf) -> Response:
    """For Prometheus."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE_LATEST)
