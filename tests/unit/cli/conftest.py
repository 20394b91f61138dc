"""A manager of 60 lines behind httpx2's mock transport, and a way to run commands against it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest

from netpersona.cli import main

Json = dict[str, Any]
COLLECTIONS = {"personas": "persona_id", "policies": "policy_id", "workloads": "workload_id", "hosts": "host"}


@dataclass
class FakeManager:
    """Holds resources, records what was asked, and answers `answers[method, path]` where that is given."""

    personas: dict[str, Json] = field(default_factory=dict)
    workloads: dict[str, Json] = field(default_factory=dict)
    policies: dict[str, Json] = field(default_factory=dict)
    hosts: dict[str, Json] = field(default_factory=dict)
    answers: dict[tuple[str, str], httpx2.Response | list[httpx2.Response]] = field(default_factory=dict)
    asked: list[httpx2.Request] = field(default_factory=list)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = self.answers.get((request.method, request.url.path))
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer or self._resource(request)

    def _resource(self, request: httpx2.Request) -> httpx2.Response:
        collection, *rest = request.url.path.removeprefix("/v1/").split("/")
        held: dict[str, Json] = getattr(self, collection)
        if request.method == "GET" and not rest:
            return httpx2.Response(200, json={"items": list(held.values()), "revision": 9, "continue": None})
        if request.method == "POST" and not rest:
            return httpx2.Response(201, json=self._stored(collection, json.loads(request.content)))
        if rest[0] not in held:
            return problem(404, f"no {collection} named {rest[0]}")
        if request.method == "PUT":
            return httpx2.Response(200, json=self._stored(collection, json.loads(request.content)))
        return httpx2.Response(200, json=held[rest[0]])

    def _stored(self, collection: str, body: Json) -> Json:
        key = COLLECTIONS[collection]
        return {key: body[key], "revision": 10, "spec": body}

    def sent(self, method: str) -> list[tuple[str, Json]]:
        """(path with query, body) of every request of a method, dry runs left out."""
        return [
            (request.url.path, json.loads(request.content or b"{}"))
            for request in self.asked
            if request.method == method and "dry_run" not in request.url.params
        ]

    def add_persona(self, **spec: Any) -> None:
        name = spec["persona_id"]
        self.personas[name] = {
            "persona_id": name,
            "revision": 3,
            "created_at": "2030-01-01T00:00:00Z",
            "updated_at": "2030-01-01T00:00:00Z",
            "spec": spec,
            "in_use_by": [],
        }

    def add_workload(self, name: str, **changes: Any) -> Json:
        self.workloads[name] = workload(name, **changes)
        return self.workloads[name]


def problem(status: int, detail: str, **more: Any) -> httpx2.Response:
    return httpx2.Response(
        status, json={"title": "x", "status": status, "detail": detail, "errors": []} | more
    )


def assignment(name: str = "slow", **changes: Any) -> Json:
    return {
        "persona_id": name,
        "persona_revision": 3,
        "persona": {"persona_id": name},
        "follows": True,
        "assigned_at": "2030-01-01T00:00:00Z",
        "expires_at": None,
        "fallback": None,
        "sequence": 7,
    } | changes


def workload(name: str, **changes: Any) -> Json:
    spec = {
        "kind": "netns",
        "host": "local",
        "netns": name,
        "interface": "eth0",
        "facing": "auto",
        "allow_management": False,
    }
    return {
        "workload_id": name,
        "revision": 4,
        "sequence": 0,
        "spec": spec,
        "assignment": None,
        "previous": None,
        "status": {"phase": "attached", "message": "", "applied_sequence": 0},
    } | changes


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


@pytest.fixture
def manager() -> FakeManager:
    return FakeManager()


@pytest.fixture
def run(manager: FakeManager, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line against the fake manager."""

    def run_command(*argv: str) -> Ran:
        code = main(list(argv), transport=httpx2.MockTransport(manager))
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run_command


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own environment must not decide what a test sees."""
    for name in ("SERVER", "TOKEN_FILE", "RUN_DIR", "STATE_DIR", "LISTEN"):
        monkeypatch.delenv(f"NETPERSONA_{name}", raising=False)
