"""Loading everything that is loaded late, while the files may still be read.

Libraries import modules on first use. After the change of user that fails where the interpreter lives in
a home that only root may enter. So the whole way of a request is walked once, against a fake store.
"""

from __future__ import annotations

import asyncio
import json
from functools import partial
from typing import Any
from urllib.parse import unquote

import uvicorn

from netpersona.control.http.api import create_app
from netpersona.control.identity.auth import NoAuth
from netpersona.control.service import Service
from netpersona.control.store.fake import FakeStore

_PERSONA = {"persona_id": "warm", "ingress": {"latency": "1ms", "loss": "1%"}}
_WORKLOAD = {"workload_id": "warm", "kind": "interface", "interface": "lo"}


async def warm_up() -> None:
    """Touches no file, no socket and no state."""
    service = Service(FakeStore())
    app = create_app(service, NoAuth())
    uvicorn.Config(app, lifespan="off", log_config=None, ws="none").load()
    ask = partial(_ask, app)
    for kind in (kind for kind in service.kinds if kind.verbs):
        await ask("POST", f"/v1/{kind.plural}", json.dumps(kind.example).encode())
        await ask("GET", f"/v1/{kind.plural}")
    await ask("POST", "/v1/personas", json.dumps(_PERSONA).encode())
    await ask("POST", "/v1/personas", b"persona_id: [", b"application/yaml")
    await ask("POST", "/v1/workloads", json.dumps(_WORKLOAD).encode())
    await ask("PUT", "/v1/workloads/warm/persona?wait=1ms", b'{"persona_id": "warm", "ttl": "1s"}')
    await ask("PUT", "/v1/workloads/warm/persona?dry_run=1", b'{"persona_id": "warm"}')
    await ask("PUT", "/v1/workloads/warm/persona", b'{"persona_id": "warm"}')
    await ask("GET", "/vms/warm/persona")
    await ask("POST", "/v1/workloads", b'{"a": 1}')
    for path in (
        "/a%1b%e2%80%ae",
        "/v1/personas/%ff%e2%80%ae",
        "/v1/personas?a%1b=%ff",
        "/openapi.json",
        "/metrics",
        "/v1/presets",
        "/v1/personas?limit=x",
        "/nowhere",
    ):
        await ask("GET", path)
    await ask("HEAD", "/v1/presets")
    await ask("POST", "/v1/personas", '{"a\\ud800\x1b": "\u202e"}'.encode())
    await ask("POST", "/v1/personas", b"\xff", b"text/\x1b\xff")
    await _ask(create_app(_broken(), NoAuth()), "GET", "/v1/workloads")
    service.end_watches()
    await ask("GET", "/v1/workloads?watch=1")
    service.close()


def _broken() -> Service:
    """Its answers are tracebacks in the log."""
    service = Service(FakeStore())
    del service.workloads
    return service


async def _ask(
    app: Any, method: str, target: str, body: bytes = b"", kind: bytes = b"application/json"
) -> None:
    path, _, query = target.partition("?")
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(b"host", b"netpersona"), (b"content-type", kind)],
        "client": None,
        "server": None,
    }
    waiting = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if waiting.is_set():
            return {"type": "http.disconnect"}
        waiting.set()
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(_message: Any) -> None:
        return

    await app(scope, receive, send)
