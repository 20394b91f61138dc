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
)
from netpersona.client.address import Address, unreachable
from netpersona.client.calls import path_of

Answer = Callable[[httpx2.Request], httpx2.Response]
Story = Callable[..., Any]


def test_the_public_names_are_these() -> None:
    assert netpersona.client.__all__ == sorted(netpersona.client.__all__)
    assert all(hasattr(netpersona.client, name) for name in netpersona.client.__all__)
    assert set(netpersona.client.__all__) == {
        "ApiError", "Assignment", "AsyncClient", "BadAddress", "BadName", "Call", "Client", "ClientError",
        "Conflict", "Denied", "Event", "NotFound", "Unreachable",
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


def echo(request: httpx2.Request) -> httpx2.Response:
    """Says what it was asked."""
    body = json.loads(request.content) if request.content else None
    match = request.headers.get("if-match")
    path = request.url.raw_path.decode()
    return httpx2.Response(200, json={"asked": f"{request.method} {path}", "body": body, "match": match})


@pytest.mark.parametrize(
    ("method", "args", "options", "asks", "body", "match"),
    [
        ("get", ("personas", "a b"), {}, "GET /v1/personas/a%20b", None, None),
        ("find", ("hosts", "h"), {}, "GET /v1/hosts/h", None, None),
        ("revision", ("personas", "a", 2), {}, "GET /v1/personas/a/revisions/2", None, None),
        ("create", ("personas", {"x": 1}), {}, "POST /v1/personas", {"x": 1}, None),
        ("create", ("personas", {}), {"dry_run": True}, "POST /v1/personas?dry_run=1", {}, None),
        ("replace", ("personas", "a", {}, 3), {}, "PUT /v1/personas/a", {}, '"3"'),
        ("assign", ("w", Assignment("p")), {}, "PUT /v1/workloads/w/persona", {"persona_id": "p"}, None),
        (
            "assign",
            ("w", Assignment("p", 2, "60s", "q", 1)),
            {"wait_s": 0.5},
            "PUT /v1/workloads/w/persona?wait=0.5s",
            {
                "persona_id": "p",
                "persona_revision": 2,
                "ttl": "60s",
                "fallback": "q",
                "fallback_revision": 1,
            },
            None,
        ),
        ("release", ("w",), {}, "DELETE /v1/workloads/w/persona", None, None),
        ("rollback", ("w",), {"wait_s": 2.0}, "POST /v1/workloads/w/rollback?wait=2s", None, None),
        ("verify", ("w",), {"probes": 9}, "POST /v1/workloads/w/verifications", {"probes": 9}, None),
        ("verification", ("w", "v"), {}, "GET /v1/workloads/w/verifications/v", None, None),
        ("cancel", ("w", "v"), {}, "DELETE /v1/workloads/w/verifications/v", None, None),
    ],
)
def test_a_method_is_one_request(
    method: str, args: tuple[Any, ...], options: dict[str, Any], asks: str, body: object, match: str | None
) -> None:
    assert asked(echo, method, *args, **options) == {"asked": asks, "body": body, "match": match}


def test_a_deletion_names_the_revision_that_was_seen() -> None:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(204)

    asked(answer, "delete", "personas", "a", 4)
    assert {(r.method, r.url.path, r.headers["if-match"]) for r in seen} == {
        ("DELETE", "/v1/personas/a", '"4"')
    }


def test_a_collection_is_read_page_by_page() -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        more = (
            {"items": [1], "continue": "a&b"} if not request.url.query else {"items": [2], "continue": None}
        )
        assert request.url.query in (b"", b"continue=a%26b")
        return httpx2.Response(200, json=more)

    assert asked(answer, "all", "personas") == [1, 2]


def test_what_is_not_there_is_none_for_find_and_an_error_for_get() -> None:
    def nothing(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(404, json={"detail": "there is no persona a"})

    assert asked(nothing, "find", "personas", "a") is None
    assert isinstance(refused(nothing, "get", "personas", "a"), NotFound)


@pytest.mark.parametrize("status", [409, 412])
def test_what_changed_meanwhile_is_a_conflict(status: int) -> None:
    said = refused(lambda _: httpx2.Response(status), "replace", "personas", "a", {}, 3)
    assert isinstance(said, Conflict)


@pytest.mark.parametrize(
    ("status", "later"), [(401, False), (422, False), (410, True), (429, True), (503, True)]
)
def test_an_error_says_whether_to_ask_again(status: int, later: bool) -> None:
    said = refused(lambda _: httpx2.Response(status), "all", "personas")
    assert isinstance(said, ApiError)
    assert (said.status, said.is_temporary) == (status, later)


@pytest.mark.parametrize("text", ["", "<html>no</html>", "[1]", "nul"])
def test_an_error_that_is_no_json_is_still_an_api_error(text: str) -> None:
    said = refused(lambda _: httpx2.Response(502, text=text), "all", "personas")
    assert said.message == "the manager answered 502"


def test_a_refusal_carries_place_and_remedy() -> None:
    error = {"pointer": "/mtu", "detail": "20 is too small", "remedy": "write 68 or more"}
    problem = {"detail": "20 is too small", "errors": [error]}
    said = refused(lambda _: httpx2.Response(422, json=problem), "create", "personas", {})
    assert (said.message, said.remedy, said.details) == ("/mtu: 20 is too small", "write 68 or more", ())


@pytest.mark.parametrize("name", ["", ".", "..", "a\nb"])
def test_a_name_that_leads_elsewhere_is_not_asked_for(name: str) -> None:
    assert isinstance(refused(echo, "get", "personas", name), BadName)


def test_a_name_is_quoted_into_its_path() -> None:
    assert path_of("workloads", "a/b ?", "persona") == "/v1/workloads/a%2Fb%20%3F/persona"


@pytest.mark.parametrize(
    "error", [httpx2.ReadTimeout("slow"), httpx2.RemoteProtocolError("cut"), OSError("x")]
)
def test_failures_of_the_connection_are_one_clear_line(error: Exception) -> None:
    def fail(_: httpx2.Request) -> httpx2.Response:
        raise error

    said = refused(fail, "all", "personas")
    assert isinstance(said, Unreachable)
    assert said.remedy


def test_the_token_goes_with_every_request() -> None:
    seen: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["authorization"])
        return httpx2.Response(200, json={"items": []})

    with Client("http://h:1", "s3cret", transport=httpx2.MockTransport(answer)) as client:
        client.all("personas")
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
        client.all("personas")


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
        client.all("hosts")


def test_an_asynchronous_watch_of_what_speaks_no_https_is_said(plain: int) -> None:
    async def story() -> None:
        async with AsyncClient(f"https://127.0.0.1:{plain}") as client:
            await anext(client.watch("workloads"))

    with pytest.raises(Unreachable):
        asyncio.run(story())
