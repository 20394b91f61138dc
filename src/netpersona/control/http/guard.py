"""The outermost layer: names, tokens, metrics, the log of changes, and no traceback ever as an answer."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

import structlog
from fastapi import Response
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from netpersona.control.http.shortcut import BEGAN
from netpersona.control.identity.admission import CALLER, Admission
from netpersona.control.problems import PROBLEM_MEDIA_TYPE, Detail, Refusal, problem
from netpersona.control.service import Service
from netpersona.control.store.protocol import StoreError

_READS: Final = ("GET", "HEAD")
_log = structlog.get_logger(__name__)


def problem_answer(
    path: str,
    status: int,
    detail: str,
    errors: Sequence[Detail] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    document = json.dumps(problem(status, detail, quote(path, safe="/", errors="replace"), errors))
    return Response(document.encode(), status, dict(headers or {}), PROBLEM_MEDIA_TYPE)


class Guard:
    """ASGI middleware. No answer starts before all that was committed is on disk; only watches run ahead."""

    def __init__(self, app: ASGIApp, admission: Admission, service: Service) -> None:
        self._app, self._admission = app, admission
        self._metrics, self._store = service.metrics, service.store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = scope.get(BEGAN) or time.perf_counter()
        status = 0

        async def count(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                if message["status"] < 500:
                    await self._store.settled()
                status = message["status"]
                self._answered(scope, status, time.perf_counter() - started)
            await send(message)

        try:
            self._admission.check(scope, Headers(scope=scope))
            await self._app(scope, receive, count)
        except ClientDisconnect:
            return
        except (Exception, asyncio.CancelledError) as error:
            if status:
                raise
            await self._failed(scope["path"], error)(scope, receive, count)

    def _answered(self, scope: Scope, status: int, seconds: float) -> None:
        self._metrics.requests.labels(scope["method"], status).inc()
        self._metrics.seconds.observe(seconds)
        reports = scope["path"].endswith("/status") or scope["path"].startswith("/v1/hosts/")
        changes = scope["method"] not in _READS and not reports
        if changes or status >= 400:
            _log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                caller=scope[CALLER].name if CALLER in scope else "",
                ms=round(seconds * 1000, 2),
            )

    def _failed(self, path: str, error: BaseException) -> Response:
        if isinstance(error, Refusal):
            return problem_answer(path, error.status, error.detail, error.errors, error.headers)
        if isinstance(error, StoreError | sqlite3.Error):
            _log.error("the store failed", path=path, error=str(error))
            detail = f"the store cannot answer: {error}"
            return problem_answer(path, 503, detail, headers={"Retry-After": "1"})
        if isinstance(error, asyncio.CancelledError):
            return problem_answer(path, 503, "the manager is stopping", headers={"Retry-After": "1"})
        _log.error("a request failed", path=path, exc_info=error)
        return problem_answer(path, 500, "an error of ours; the log of the manager has it")
