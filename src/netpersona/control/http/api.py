"""The FastAPI application: routers, and the guard around them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route

from netpersona.control.http import legacy
from netpersona.control.http.guard import Guard, problem_answer
from netpersona.control.http.head import Head
from netpersona.control.http.openapi import DESCRIPTION, openapi_of
from netpersona.control.http.parameters import known_parameters
from netpersona.control.http.routes import (
    adaptation,
    assignments,
    health,
    hosts,
    personas,
    requirements,
    verifications,
    workloads,
)
from netpersona.control.http.routes.kinds import routes_of
from netpersona.control.http.shortcut import Shortcut
from netpersona.control.identity.admission import Admission
from netpersona.control.identity.auth import Auth
from netpersona.control.identity.authority import Authority
from netpersona.control.problems import Detail, Refusal
from netpersona.control.service import Service
from netpersona.kinds.host import HOST
from netpersona.kinds.kind import Kind
from netpersona.kinds.persona.kind import PERSONA, PRESET
from netpersona.kinds.validation import said
from netpersona.kinds.verification import VERIFICATION
from netpersona.kinds.workload import WORKLOAD

API_VERSION = "1.0"
"""Of the interface, not of the release."""

_ROUTERS: Final = (
    personas.router,
    personas.presets,
    workloads.router,
    assignments.router,
    adaptation.router,
    adaptation.all_of_them,
    requirements.router,
    assignments.interfaces,
    verifications.router,
    hosts.router,
    legacy.router,
    health.router,
)
_KNOWN: Final = (PERSONA, PRESET, WORKLOAD, VERIFICATION, HOST)
"""Kinds whose routes are above, with actions of their own."""


def create_app(service: Service, auth: Auth, authority: Authority | None = None) -> FastAPI:
    """One listener's application. Several may share a service, with its own ``auth`` and ``authority``."""
    app = FastAPI(
        title="netpersona",
        version=API_VERSION,
        description=DESCRIPTION,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    app.state.service = service
    app.state.routers = tuple(routers_of(service.kinds))
    for router in app.state.routers:
        app.include_router(router, dependencies=[Depends(known_parameters)])
    app.openapi = lambda: openapi_of(app, service.kinds)  # type: ignore[method-assign]
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_middleware(Shortcut, service=service)
    app.add_middleware(Head)
    app.add_middleware(Guard, admission=Admission(auth, authority or Authority()), service=service)
    return app


def routers_of(kinds: Sequence[Kind[Any, Any]]) -> Iterator[APIRouter]:
    """Of all kinds: those with actions, which speak of the others, have routes of their own."""
    yield from (routes_of(kind) for kind in kinds if kind not in _KNOWN)
    yield from _ROUTERS


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return problem_answer(request.scope["path"], error.status, error.detail, error.errors, error.headers)


async def _http(request: Request, error: Exception) -> Response:
    """What the router itself refuses: no such path, no such method."""
    assert isinstance(error, HTTPException)
    remedy = {404: "see /openapi.json for the paths", 405: "see the header Allow for the methods"}
    detail = Detail("", str(error.detail), remedy.get(error.status_code, "see /openapi.json"), "path")
    headers = {"Allow": _allowed(request)} if error.status_code == 405 else error.headers
    return problem_answer(request.scope["path"], error.status_code, str(error.detail), [detail], headers)


def _allowed(request: Request) -> str:
    """All methods of a path (RFC 9110 section 15.5.6); Starlette names those of its first route alone."""
    routers = request.app.state.routers
    routes = (route for router in routers for route in router.routes if isinstance(route, Route))
    methods = (route.methods or () for route in routes if route.path_regex.match(request.scope["path"]))
    allowed = set[str]().union(*methods)
    return ", ".join(sorted(allowed | {"HEAD"} if "GET" in allowed else allowed))


async def _invalid(request: Request, error: Exception) -> Response:
    """Query and path parameters; bodies are read by ``bodies``."""
    assert isinstance(error, RequestValidationError)
    details = [
        Detail("".join(f"/{part}" for part in found["loc"][1:]), *said(found), str(found["loc"][0]))
        for found in error.errors()
    ]
    return problem_answer(request.scope["path"], 422, "a parameter of the request is not valid", details)
