"""What the routers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

from fastapi import Depends, Path, Query, Request, Response

from netpersona.control.answers import answer
from netpersona.control.conditions import Condition
from netpersona.control.service import Service
from netpersona.control.store import Record

DryRun = Annotated[bool, Query(description="Answer the plan and store nothing")]
PersonaId = Annotated[str, Path(max_length=200)]
WorkloadId = Annotated[str, Path(max_length=200)]
HostId = Annotated[str, Path(max_length=200)]


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _condition(request: Request) -> Condition:
    return Condition.of(request.headers)


ServiceOf = Annotated[Service, Depends(_service)]
ConditionOf = Annotated[Condition, Depends(_condition)]

CONDITIONAL: Final = {
    "parameters": [
        {
            "name": name,
            "in": "header",
            "required": False,
            "schema": {"type": "string"},
            "description": said,
        }
        for name, said in (
            ("If-Match", "The ETag of what is changed; 412 if it has another one by now"),
            ("If-None-Match", "'*': only if there is nothing with this name yet"),
        )
    ]
}
"""``openapi_extra`` of routes that take conditions."""


def written(
    result: Record | Mapping[str, Any] | None,
    resource: Callable[[Record], Mapping[str, Any]],
    status: int = 200,
) -> Response:
    """The resource that was stored, the plan of a dry run, or nothing where it was deleted."""
    if result is None:
        return Response(status_code=204)
    return answer(resource(result), status) if isinstance(result, Record) else answer(result)
