"""The short way of the one request that must be fast: putting a persona on a workload.

The way from a request's bytes through server and framework to its handler takes half a millisecond, most of
it because code that ran a while ago has left the caches: a third of what a switch through REST may take.
So a plain PUT is done as soon as its last byte has come, in the very call of the event loop that brought it,
and only its answer goes through the layers. What is not plain, or is refused, is left to them as a whole.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from netpersona.control.http.bodies import model_of
from netpersona.control.http.routes.assignments import server_timing
from netpersona.control.http.routes.common import written
from netpersona.control.identity.admission import Admission, caller_of
from netpersona.control.identity.calls import Call
from netpersona.control.preconditions import Precondition
from netpersona.control.service import Service
from netpersona.control.store.protocol import Record
from netpersona.kinds.workload import AssignmentRequest

BEGAN: Final = "netpersona.began"
"""Key of the ASGI scope: when work on the request began, by ``time.perf_counter``."""
_SWITCHED: Final = "netpersona.switched"
_PATH: Final = re.compile(rb"/v1/workloads/([A-Za-z0-9][A-Za-z0-9._-]{0,62})/persona")
"""Narrower than the router's, and without a query."""


@dataclass(frozen=True, slots=True)
class _Switched:
    """What was done: the workload as it is now, and what the answer says of the time that it took."""

    workload: Record
    timing: str


class Switch:
    """What a connection does with a whole request before the framework sees it."""

    def __init__(self, service: Service, admission: Admission) -> None:
        self._service, self._admission = service, admission

    def wants(self, method: bytes, target: bytes) -> bool:
        return method == b"PUT" and _PATH.fullmatch(target) is not None

    def make(self, scope: Scope, target: bytes, body: bytes) -> None:
        """Leaves in ``scope`` that it is done, for ``Shortcut`` to answer; nothing if it is not."""
        scope[BEGAN] = time.perf_counter()
        scope["path"] = target.decode("ascii")
        headers = Headers(scope=scope)
        with suppress(Exception):  # it will be raised once more, where it becomes an answer
            self._admission.check(scope, headers)
            wanted = model_of(headers, body, AssignmentRequest)
            parsed = time.perf_counter()
            name = scope["path"].split("/")[3]
            call = Call(caller_of(scope), Precondition.of(headers))
            workload = self._service.assignments.assign_now(name, wanted, call)
            if workload is not None:
                timing = server_timing(scope[BEGAN], parsed, time.perf_counter())
                scope[_SWITCHED] = _Switched(workload, timing)
                os.sched_yield()  # the agent that was told may have been woken on this very CPU


class Shortcut:
    """ASGI middleware inside ``Guard``: answers what ``Switch`` has done."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        done: _Switched | None = scope.get(_SWITCHED)
        if done is None:
            await self._app(scope, receive, send)
            return
        response = written(done.workload, self._service.workloads)
        response.headers["Server-Timing"] = done.timing
        await response(scope, receive, send)
