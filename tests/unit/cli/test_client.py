"""How the manager is reached, and what is said when it is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from netpersona.cli.client import Api, resource_path, unreachable
from netpersona.cli.errors import ApiError, CliError, Unreachable
from netpersona.cli.settings import Settings


def api(handler: Callable[[httpx2.Request], httpx2.Response], **settings: Any) -> Api:
    return Api(Settings(transport=httpx2.MockTransport(handler), **settings))


def test_a_name_is_quoted_into_its_path() -> None:
    assert resource_path("workloads", "a/b ?", "persona") == "/v1/workloads/a%2Fb%20%3F/persona"


def test_no_socket_says_up(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="not running") as caught:
        Api(Settings(run_dir=tmp_path))
    assert "netpersona up" in str(caught.value.remedy)


def test_a_socket_nobody_listens_on_says_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as abandoned:
        abandoned.bind(str(tmp_path / "api.sock"))
    with pytest.raises(Unreachable, match="nothing listens"):
        Api(Settings(run_dir=tmp_path))


def test_a_closed_tcp_port_says_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        Api(Settings(server=f"http://127.0.0.1:{port}")) as client,
        pytest.raises(Unreachable, match="nothing listens"),
    ):
        client.all("personas")


def test_a_socket_one_may_not_open_says_sudo_or_token() -> None:
    said = unreachable(Settings(), PermissionError(13, "Permission denied"))
    assert "sudo" in str(said.remedy)
    assert "--token-file" in str(said.remedy)


@pytest.mark.parametrize(
    "error", [httpx2.ReadTimeout("slow"), httpx2.RemoteProtocolError("cut"), OSError("x")]
)
def test_other_failures_of_the_connection_are_one_clear_line(error: Exception) -> None:
    def fail(_request: httpx2.Request) -> httpx2.Response:
        raise error

    with api(fail) as client, pytest.raises(Unreachable) as caught:
        client.all("personas")
    assert caught.value.remedy


@pytest.mark.parametrize("server", ["localhost:8470", "ftp://x", "nonsense"])
def test_an_address_of_no_known_kind_says_what_to_write(server: str) -> None:
    with pytest.raises(CliError, match="not an address") as caught:
        Api(Settings(server=server, transport=httpx2.MockTransport(lambda _: httpx2.Response(200))))
    assert "http://HOST:PORT" in str(caught.value.remedy)


def asked_with(settings_of_token: dict[str, object]) -> httpx2.Headers:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={"items": []})

    with api(answer, **settings_of_token) as client:
        client.all("personas")
    return seen[0].headers


def test_tcp_sends_the_token_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("s3cret\n")
    headers = asked_with({"server": "http://h:1", "token_file": tmp_path / "t"})
    assert headers["authorization"] == "Bearer s3cret"


def test_tcp_sends_the_token_of_this_machines_manager(tmp_path: Path) -> None:
    (tmp_path / "manager").mkdir()
    (tmp_path / "manager" / "token").write_text("own\n")
    assert asked_with({"server": "http://h:1", "state_dir": tmp_path})["authorization"] == "Bearer own"


def test_the_unix_socket_needs_no_token(tmp_path: Path) -> None:
    (tmp_path / "manager").mkdir()
    (tmp_path / "manager" / "token").write_text("own\n")
    assert "authorization" not in asked_with({"state_dir": tmp_path})


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_token_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CliError, match="the token file"):
        asked_with({"server": "http://h:1", "token_file": path})


@pytest.mark.parametrize("text", ["", "<html>no</html>", "[1]", "nul"])
def test_an_error_that_is_no_json_is_still_an_api_error(text: str) -> None:
    with api(lambda _: httpx2.Response(502, text=text)) as client, pytest.raises(ApiError) as caught:
        client.all("personas")
    assert caught.value.status == 502
    assert "502" in caught.value.message


@pytest.mark.parametrize(
    "address",
    ["https://", "http://", "http://host:abc", "http://[::1", "http://host:99999", "http://h/path", "unix:"],
)
def test_what_is_no_address_is_said_so(address: str) -> None:
    with pytest.raises(CliError, match="is not an address") as refused:
        Api(Settings(address))
    assert "http://HOST:PORT" in str(refused.value.remedy)


@pytest.mark.parametrize("address", ["https://proxy", "http://10.0.0.1:8470/", "http://[::1]:8470"])
def test_an_address_is_taken(address: str) -> None:
    with Api(Settings(address)):
        pass


def test_https_to_what_speaks_http_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        settings = Settings(f"https://127.0.0.1:{listener.getsockname()[1]}")
        with Api(settings) as client, pytest.raises(Unreachable, match="does not speak https"):
            client.all("hosts")
        thread.join(10)
