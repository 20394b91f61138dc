"""Whatever is sent, the answer is a 4xx problem document that says where and what; nothing is stored."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest

from netpersona.control.http.bodies import BODY_BOUND

JSON = {"Content-Type": "application/json"}
PERSONA = b'{"persona_id": "%s"}'


@pytest.fixture(autouse=True)
def _nothing_is_stored(client: httpx2.Client) -> Iterator[None]:
    before = client.get("/v1/personas").json()["revision"]
    yield
    assert client.get("/v1/personas").json()["revision"] == before


def problem(answer: httpx2.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert document["status"] == status
    assert document["title"]
    assert document["detail"]
    assert unquote(document["instance"])[:400] == answer.request.url.path[:400]
    assert len(answer.content) < 6000
    texts = [document["detail"], *(text for error in document["errors"] for text in error.values())]
    assert all(text.isprintable() and "pydantic" not in text.lower() for text in texts)
    assert all(error["detail"] and error["remedy"] for error in document["errors"])
    return document


@pytest.mark.parametrize("path", ["/v1/personas", "/v1/workloads", "/personas/create", "/v1/personalities"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe", 400),
        (b'{"persona_id": "\xc3("}', 400),
        (b'{"a": NaN}', 400),
        (b'{"a": 1, "a": 1}', 400),
        (b'{"a": ' + b"9" * 10_000 + b"}", 400),
        (b'{"a": 1e400}', 422),
        (b'{"a": "\\u0000"}', 422),
        (b'{"\\ud800": 1}', 422),
        (b"[" * 200_000, 422),
        (b'{"a":' * 50 + b"1" + b"}" * 50, 422),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"17", 422),
        (b'{"unknown": 1}', 422),
        (b'{"persona_id": 5}', 422),
        (b'{"persona_id": ""}', 422),
        (b'{"persona_id": "' + b"x" * 100_000 + b'"}', 422),
        (b'{"persona_id": "' + b"x" * BODY_BOUND + b'"}', 413),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else None,
)
def test_bodies(client: httpx2.Client, path: str, body: bytes, status: int) -> None:
    assert problem(client.post(path, content=body, headers=JSON), status)["errors"]


@pytest.mark.parametrize(
    ("spec", "pointer"),
    [
        ({"egress": {"latency": "10 parsecs"}}, "/egress/latency"),
        ({"egress": {"latency": 10}}, "/egress/latency"),
        ({"ingress": {"loss": "101%"}}, "/ingress/loss"),
        ({"ingress": {"bandwidth": 10**30}}, "/ingress/bandwidth"),
        ({"mtu": True}, "/mtu"),
        ({"queue_configuration": [{"queue_id": 0, "priority": "high"}]}, "/queue_configuration/0/priority"),
        ({"routing_profile": "chaotic"}, "/routing_profile"),
        ({"simulated_latency_ms": -1}, "/simulated_latency_ms"),
        ({"latencyMs": "fast"}, "/latencyMs"),
    ],
)
def test_a_wrong_value_is_pointed_at(client: httpx2.Client, spec: dict[str, Any], pointer: str) -> None:
    document = problem(client.post("/v1/personas", json={"persona_id": "bad"} | spec), 422)
    assert [error["pointer"] for error in document["errors"]] == [pointer]


def test_an_endless_body_is_cut_off(client: httpx2.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(40):
            yield b" " * 65536

    problem(client.post("/v1/personas", content=chunks(), headers=JSON), 413)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "§"])
def test_other_media_types_are_refused(client: httpx2.Client, kind: str) -> None:
    headers = {b"content-type": kind.encode()}
    problem(client.post("/v1/personas", content=PERSONA % b"kind", headers=headers), 415)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v1/personas/", 404),
        ("GET", "/v1/personas/nope", 404),
        ("GET", "/v1/personas/%00", 400),
        ("GET", "/v1/personas/%ff%fe", 404),
        ("GET", "/v1/workloads/a%2Fb", 404),
        ("GET", "/v1/workloads/nope/persona", 404),
        ("GET", "/v1/presets/nope", 404),
        ("DELETE", "/v1/personas/nope", 404),
        ("POST", "/v1/workloads/nope/rollback", 404),
        ("PATCH", "/v1/personas/nope", 405),
        ("POST", "/healthz", 405),
        ("GET", "/v1/personas?limit=0", 422),
        ("GET", "/v1/personas?limit=many", 422),
        ("GET", "/v1/personas?watch=maybe", 422),
        ("GET", "/v1/personas?watch=1&revision=-1", 422),
        ("GET", "/v1/personas?watch=1&revision=" + "9" * 400, 422),
        ("GET", "/v1/personas/" + "x" * 5000, 422),
    ],
)
def test_paths_methods_and_parameters(client: httpx2.Client, method: str, path: str, status: int) -> None:
    document = problem(client.request(method, path), status)
    assert document["errors"]


def test_a_refused_method_names_those_that_are_not(client: httpx2.Client) -> None:
    assert set(client.request("PATCH", "/v1/personas/x").headers["allow"].split(", ")) == {
        "GET",
        "HEAD",
        "PUT",
        "DELETE",
    }


@pytest.mark.parametrize("wait", ["soon", "-1s", "1h", "61s", "", "1e999s"])
def test_a_wait_has_bounds(client: httpx2.Client, wait: str) -> None:
    answer = client.put("/v1/workloads/x/persona", params={"wait": wait}, json={"persona_id": "a"})
    assert problem(answer, 422)["errors"][0]["pointer"] == "/wait"


@pytest.mark.parametrize("where", ["/v1/workloads/nope/status", "/v1/hosts/h"])
def test_reports_are_bounded_too(client: httpx2.Client, where: str) -> None:
    problem(client.put(where, content=b'{"counters": {"a": NaN}}', headers=JSON), 400)
    problem(client.put(where, content=b'{"engine": 5}', headers=JSON), 422)


@pytest.mark.parametrize(
    "raw",
    [
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST /v1/personas HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /v1/personas HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_what_is_no_http_is_no_5xx(client: httpx2.Client, shared: Any, raw: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(5)
        plain.connect(str(shared.path))
        plain.sendall(raw)
        plain.shutdown(socket.SHUT_WR)
        answer = plain.recv(65536)
    assert answer == b"" or answer.split()[1].startswith(b"4")
    assert client.get("/healthz").status_code == 200


def test_a_client_that_leaves_early_hurts_nobody(client: httpx2.Client, shared: Any) -> None:
    for body in (b'{"persona_id"', b""):
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(str(shared.path))
            plain.sendall(b"POST /v1/personas HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n" + body)
    assert client.get("/healthz").status_code == 200


def test_problem_documents_survive_odd_paths(client: httpx2.Client) -> None:
    answer = client.get("/v1/personas/%F0%9F%90%A7%22%e2%80%ae")
    assert problem(answer, 404)["instance"] == "/v1/personas/%F0%9F%90%A7%22%E2%80%AE"


@pytest.mark.parametrize("char", ["%00", "%0a", "%1b", "%7f", "%c2%85"])
def test_a_control_character_in_a_path_is_malformed(shared: Any, client: httpx2.Client, char: str) -> None:
    problem(client.get(f"/v1/personas/a{char}"), 400)
    with shared.tcp() as stranger:
        problem(stranger.get(f"/v1/personas/a{char}"), 400)


@pytest.mark.parametrize(
    ("method", "path", "remedy"),
    [
        ("POST", "/v1/personas?dry-run=1", "write dry_run; there are dry_run"),
        ("DELETE", "/v1/personas/nope?force=1", "there are dry_run"),
        ("GET", "/v1/personas?limits=1", "write limit; there are watch, revision, limit, continue"),
        ("GET", "/v1/presets/lan?%1b[2J=1", "takes none"),
        ("GET", "/healthz?a", "takes none"),
        ("POST", "/v1/personalities?dry_run=1", "takes none"),
    ],
)
def test_an_unknown_parameter_is_refused(client: httpx2.Client, method: str, path: str, remedy: str) -> None:
    body = {"json": {"persona_id": "never"}} if method == "POST" else {}
    [error] = problem(client.request(method, path, **body), 400)["errors"]  # type: ignore[arg-type]
    assert error["in"] == "query"
    assert remedy in error["remedy"]


@pytest.mark.parametrize(
    ("body", "pointer", "detail"),
    [
        ({"workload_id": "w", "kind": "netns", "interface": "eth0"}, "", "needs the key netns"),
        ({"workload_id": "w", "interface": "eth0"}, "/kind", "missing"),
        ({"workload_id": "w", "kind": "ship", "interface": "eth0"}, "/kind", "no such choice"),
        ({"workload_id": "w!", "kind": "vm", "interface": "eth0"}, "/workload_id", "another form"),
        ({"workload_id": 5, "kind": "vm", "interface": "eth0"}, "/workload_id", "not a text"),
        (
            {"workload_id": "w", "kind": "vm", "interface": "e", "allow_management": 1},
            None,
            "not true or false",
        ),
        ({"workload_id": "w", "kind": "vm", "interface": "e", "x" * 50_000: 1}, None, "no such key"),
        ({"workload_id": "w", "kind": "vm", "interface": "e", "\u202e\x1b[2J": 1}, None, "no such key"),
    ],
    ids=str,
)
def test_a_wrong_workload_is_told_in_our_words(
    client: httpx2.Client, body: dict[str, Any], pointer: str | None, detail: str
) -> None:
    [error] = problem(client.post("/v1/workloads", json=body), 422)["errors"]
    assert pointer in (None, error["pointer"])
    assert detail in error["detail"]


def test_many_wrong_keys_are_told_in_few(client: httpx2.Client) -> None:
    body = {f"key{number}": 1 for number in range(5000)}
    answer = client.post("/v1/workloads", json=body)
    assert answer.status_code == 422
    assert len(answer.json()["errors"]) == 50


def _raw(shared: Any, sent: bytes) -> tuple[int, dict[str, Any]]:
    with socket.socket(socket.AF_UNIX) as plain:
        plain.settimeout(5)
        plain.connect(str(shared.path))
        with suppress(BrokenPipeError):  # it may answer before it has read all
            plain.sendall(sent)
        with plain.makefile("rb") as answer:
            head = b"".join(iter(answer.readline, b"\r\n"))
            body = answer.read(int(head.split(b"content-length: ")[1].split()[0]))
    assert b"application/problem+json" in head
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 60_000, 431),
    ],
    ids=lambda value: repr(value[:30]) if isinstance(value, bytes) else None,
)
def test_even_what_is_no_request_gets_a_problem_document(shared: Any, sent: bytes, status: int) -> None:
    found, document = _raw(shared, sent)
    assert (found, document["status"]) == (status, status)
    assert document["errors"][0]["remedy"]


def test_head_is_get_without_the_content(client: httpx2.Client) -> None:
    paths = json.loads((Path(__file__).parents[2] / "docs/reference/openapi.json").read_text())["paths"]
    for path in [path for path, calls in paths.items() if "get" in calls]:
        named = re.sub(r"{[^}]*}", "voip", path)
        got, headed = client.get(named), client.head(named)
        assert headed.status_code == got.status_code
        assert headed.headers["content-type"] == got.headers["content-type"]
        assert headed.content == b""
    assert client.head("/v1/workloads?watch=1").status_code == 200
    assert client.head("/v1/workloads/x/rollback").status_code == 405
