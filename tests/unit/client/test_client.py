"""What the clients ask, how they take the answer, and what they raise: both of them, by the same stories."""

from __future__ import annotations

import asyncio
import inspect
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

import netpersona.client
from netpersona.client import (
    ApiError,
    Assignment,
    AsyncClient,
    BadAddress,
    BadName,
    Client,
    ClientError,
    Conflict,
    Denied,
    NotFound,
    Unreachable,
    Unreadable,
)
from netpersona.client.address import Address, unreachable
from netpersona.client.calls import path_of
from netpersona.kinds.persona import Persona
from netpersona.kinds.persona.kind import PERSONA
from netpersona.kinds.workload import WORKLOAD

Answer = Callable[[httpx2.Request], httpx2.Response]
Story = Callable[..., Any]


def test_the_public_names_are_these() -> None:
    assert netpersona.client.__all__ == sorted(netpersona.client.__all__)
    assert all(hasattr(netpersona.client, name) for name in netpersona.client.__all__)
    assert set(netpersona.client.__all__) == {
        "ApiError", "Assignment", "AsyncClient", "BadAddress", "BadName", "Call", "Client", "ClientError",
        "Conflict", "Denied", "Event", "NotFound", "Unreachable", "Unreadable",
    }  # fmt: skip


def test_what_does_not_exist_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Klient'"):
        _ = netpersona.client.Klient


def test_both_clients_have_the_same_methods() -> None:
    def methods(client: type) -> dict[str, list[str]]:
        members = inspect.getmembers(client, inspect.isfunction)
        return {name: list(inspect.signature(f).parameters) for name, f in members if name[0] != "_"}

    assert methods(Client) == methods(AsyncClient)


def asked(answer: Answer, method: str, *args: Any, **options: Any) -> Any:
    """The answer of `method`, which both clients must give alike."""
    transport = httpx2.MockTransport(answer)

    async def awaited() -> Any:
        async with AsyncClient("http://h:1", transport=transport) as client:
            return await getattr(client, method)(*args, **options)

    with Client("http://h:1", transport=transport) as client:
        result = getattr(client, method)(*args, **options)
    assert asyncio.run(awaited()) == result
    return result


def refused(answer: Answer, method: str, *args: Any, **options: Any) -> ClientError:
    """What `method` raises, which must be the same of both clients."""
    transport = httpx2.MockTransport(answer)

    async def awaited() -> None:
        async with AsyncClient("http://h:1", transport=transport) as client:
            await getattr(client, method)(*args, **options)

    with Client("http://h:1", transport=transport) as client, pytest.raises(ClientError) as caught:
        getattr(client, method)(*args, **options)
    with pytest.raises(type(caught.value), match=r".*") as twin:
        asyncio.run(awaited())
    assert (twin.value.message, twin.value.remedy) == (caught.value.message, caught.value.remedy)
    return caught.value


SLOW = Persona(persona_id="a", mtu=1400)
BODY = {"persona_id": "a", "mtu": 1400}
STORED = {"persona_id": "a", "revision": 3, "spec": BODY, "in_use_by": ["w"]}
PLACE = {"kind": "netns", "netns": "w", "interface": "eth0"}
HELD = {"workload_id": "w", "revision": 4, "spec": PLACE, "sequence": 2}
ASKED = {"workload_id": "w", "verification_id": "v", "state": "pending"}
LEASE = {"persona_id": "p", "persona_revision": 2, "ttl": "60s", "fallback": "q", "fallback_revision": 1}


@pytest.mark.parametrize(
    ("method", "args", "options", "asks", "body", "match", "answer"),
    [
        ("get", (PERSONA, "a b"), {}, "GET /v1/personas/a%20b", None, None, STORED),
        ("find", (PERSONA, "a"), {}, "GET /v1/personas/a", None, None, STORED),
        ("revision", (PERSONA, "a", 2), {}, "GET /v1/personas/a/revisions/2", None, None, STORED),
        ("create", (PERSONA, "a", SLOW), {}, "POST /v1/personas", BODY, None, STORED),
        ("replace", (PERSONA, "a", SLOW, 3), {}, "PUT /v1/personas/a", BODY, '"3"', STORED),
        ("rehearse", (PERSONA, "a", SLOW), {}, "POST /v1/personas?dry_run=1", BODY, None, {}),
        ("rehearse", (PERSONA, "a", SLOW, 3), {}, "PUT /v1/personas/a?dry_run=1", BODY, '"3"', {}),
        ("delete", (PERSONA, "a"), {}, "DELETE /v1/personas/a", None, None, {}),
        ("delete", (PERSONA, "a", 4), {}, "DELETE /v1/personas/a", None, '"4"', {}),
        (
            "assign",
            ("w", Assignment("p")),
            {},
            "PUT /v1/workloads/w/persona",
            {"persona_id": "p"},
            None,
            HELD,
        ),
        (
            "assign",
            ("w", Assignment("p", 2, "60s", "q", 1)),
            {"wait_s": 0.5},
            "PUT /v1/workloads/w/persona?wait=0.5s",
            LEASE,
            None,
            HELD,
        ),
        ("release", ("w",), {}, "DELETE /v1/workloads/w/persona", None, None, HELD),
        ("rollback", ("w",), {"wait_s": 2.0}, "POST /v1/workloads/w/rollback?wait=2s", None, None, HELD),
        ("verify", ("w",), {"probes": 9}, "POST /v1/workloads/w/verifications", {"probes": 9}, None, ASKED),
        ("verification", ("w", "v"), {}, "GET /v1/workloads/w/verifications/v", None, None, ASKED),
        ("cancel", ("w", "v"), {}, "DELETE /v1/workloads/w/verifications/v", None, None, ASKED),
    ],
)
def test_a_method_is_one_request(
    method: str,
    args: tuple[Any, ...],
    options: dict[str, Any],
    asks: str,
    body: object,
    match: str | None,
    answer: dict[str, Any],
) -> None:
    seen: list[tuple[str, object, str | None]] = []

    def answered(request: httpx2.Request) -> httpx2.Response:
        sent = json.loads(request.content) if request.content else None
        line = f"{request.method} {request.url.raw_path.decode()}"
        seen.append((line, sent, request.headers.get("if-match")))
        return httpx2.Response(200, json=answer)

    result = asked(answered, method, *args, **options)
    assert seen == [(asks, body, match)] * 2
    assert (result.kind.load(answer) if result else None) == result
    assert bool(result) == bool(answer)


def test_what_is_got_is_typed() -> None:
    persona = asked(lambda _: httpx2.Response(200, json=STORED), "get", PERSONA, "a")
    assert (persona.spec, persona.revision, persona.state.in_use_by) == (SLOW, 3, ("w",))


@pytest.mark.parametrize(
    "answer", [{}, {"persona_id": "a"}, {**STORED, "in_use_by": 7}, {**STORED, "revision": "x"}]
)
def test_what_another_version_says_is_told(answer: dict[str, Any]) -> None:
    said = refused(lambda _: httpx2.Response(200, json=answer), "get", PERSONA, "a")
    assert isinstance(said, Unreadable)
    assert said.remedy


def test_a_collection_is_read_page_by_page() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        first = {"items": [STORED], "continue": "a&b"}
        last = {"items": [{**STORED, "persona_id": "b"}], "continue": None}
        assert request.url.query in (b"", b"continue=a%26b")
        return httpx2.Response(200, json=last if request.url.query else first)

    assert [persona.name for persona in asked(answer, "all", PERSONA)] == ["a", "b"]


def nothing(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(404, json={"detail": "there is no persona a"})


def test_what_is_not_there_is_none_for_find_and_an_error_for_get() -> None:
    assert asked(nothing, "find", PERSONA, "a") is None
    assert isinstance(refused(nothing, "get", PERSONA, "a"), NotFound)


@pytest.mark.parametrize("status", [409, 412])
def test_what_changed_meanwhile_is_a_conflict(status: int) -> None:
    said = refused(lambda _: httpx2.Response(status), "replace", PERSONA, "a", SLOW, 3)
    assert isinstance(said, Conflict)


@pytest.mark.parametrize(
    ("status", "later"), [(401, False), (422, False), (410, True), (429, True), (503, True)]
)
def test_an_error_says_whether_to_ask_again(status: int, later: bool) -> None:
    said = refused(lambda _: httpx2.Response(status), "all", PERSONA)
    assert isinstance(said, ApiError)
    assert (said.status, said.is_temporary) == (status, later)


@pytest.mark.parametrize("text", ["", "<html>no</html>", "[1]", "nul"])
def test_an_error_that_is_no_json_is_still_an_api_error(text: str) -> None:
    said = refused(lambda _: httpx2.Response(502, text=text), "all", PERSONA)
    assert said.message == "the manager answered 502"


def test_a_refusal_carries_place_and_remedy() -> None:
    error = {"pointer": "/mtu", "detail": "20 is too small", "remedy": "write 68 or more"}
    problem = {"detail": "20 is too small", "errors": [error]}
    said = refused(lambda _: httpx2.Response(422, json=problem), "create", PERSONA, "a", SLOW)
    assert (said.message, said.remedy, said.details) == ("/mtu: 20 is too small", "write 68 or more", ())


@pytest.mark.parametrize("name", ["", ".", "..", "a\nb"])
def test_a_name_that_leads_elsewhere_is_not_asked_for(name: str) -> None:
    assert isinstance(refused(nothing, "get", PERSONA, name), BadName)


def test_a_name_is_quoted_into_its_path() -> None:
    assert path_of("workloads", "a/b ?", "persona") == "/v1/workloads/a%2Fb%20%3F/persona"


@pytest.mark.parametrize(
    "error", [httpx2.ReadTimeout("slow"), httpx2.RemoteProtocolError("cut"), OSError("x")]
)
def test_failures_of_the_connection_are_one_clear_line(error: Exception) -> None:
    def fail(_: httpx2.Request) -> httpx2.Response:
        raise error

    said = refused(fail, "all", PERSONA)
    assert isinstance(said, Unreachable)
    assert said.remedy


def test_the_token_goes_with_every_request() -> None:
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"])
        return httpx2.Response(200, json={"items": []})

    with Client("http://h:1", "s3cret", transport=httpx2.MockTransport(answer)) as client:
        client.all(PERSONA)
    assert seen == ["Bearer s3cret"]


def test_no_socket_says_up(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="not running") as caught:
        Client(f"unix:{tmp_path / 'api.sock'}")
    assert "netpersona up" in str(caught.value.remedy)


def test_a_socket_nobody_listens_on_says_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(tmp_path / "api.sock"))
    with pytest.raises(Unreachable, match="nothing listens"):
        Client(f"unix:{tmp_path / 'api.sock'}")


def test_a_closed_tcp_port_says_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}") as client, pytest.raises(Unreachable, match="nothing listens"):
        client.all(PERSONA)


def test_a_socket_one_may_not_open_is_denied() -> None:
    said = unreachable(Address("unix:/x", "/x"), PermissionError(13, "Permission denied"))
    assert isinstance(said, Denied)


@pytest.mark.parametrize(
    "text",
    [
        "localhost:8470", "ftp://x", "nonsense", "https://", "http://", "http://host:abc", "http://[::1",
        "http://host:99999", "http://h/path", "http://me@h", "unix:",
    ],
)  # fmt: skip
def test_what_is_no_address_says_what_to_write(text: str) -> None:
    with pytest.raises(BadAddress, match="is not an address") as caught:
        Client(text)
    assert "http://HOST:PORT" in str(caught.value.remedy)


@pytest.mark.parametrize("text", ["https://proxy", "http://10.0.0.1:8470/", "http://[::1]:8470"])
def test_an_address_is_taken(text: str) -> None:
    with Client(text):
        pass


@pytest.fixture
def plain() -> Iterator[int]:
    """The port of what speaks http once, and no https."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def test_https_to_what_speaks_http_is_said(plain: int) -> None:
    with Client(f"https://127.0.0.1:{plain}") as client, pytest.raises(Unreachable, match="not speak https"):
        client.all(PERSONA)


def test_an_asynchronous_watch_of_what_speaks_no_https_is_said(plain: int) -> None:
    async def story() -> None:
        async with AsyncClient(f"https://127.0.0.1:{plain}") as client:
            await anext(client.watch(WORKLOAD))

    with pytest.raises(Unreachable):
        asyncio.run(story())
