"""What the routers share."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import Depends, Path, Query, Request, Response

from netpersona.control.http.answers import answer
from netpersona.control.identity.admission import caller_of
from netpersona.control.identity.calls import Call, Caller
from netpersona.control.preconditions import Precondition
from netpersona.control.resources.generic import Plan, Resources
from netpersona.control.service import Service
from netpersona.control.store.protocol import Record

DryRun = Annotated[bool, Query(description="Answer the plan and store nothing")]
PersonaId = Annotated[str, Path(max_length=200)]
WorkloadId = Annotated[str, Path(max_length=200)]
HostId = Annotated[str, Path(max_length=200)]


async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _caller(request: Request) -> Caller:
    return caller_of(request.scope)


async def _call(request: Request, dry_run: DryRun = False) -> Call:
    return Call(caller_of(request.scope), Precondition.of(request.headers), dry_run)


ServiceOf = Annotated[Service, Depends(_service)]
CallerOf = Annotated[Caller, Depends(_caller)]
CallOf = Annotated[Call, Depends(_call)]

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


def written(result: Record | Plan | None, resources: Resources[Any, Any], status: int = 200) -> Response:
    """The resource that was stored, the plan of a dry run, or nothing where it was deleted."""
    if result is None:
        return Response(status_code=204)
    if isinstance(result, Record):
        return answer(resources.kind.dump(resources.resource(result)), status)
    return answer(result)
