"""Which manager the global options name, and what is said of our options when it is not reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest

from netpersona.cli.connection import Settings, connect
from netpersona.cli.errors import CliError
from netpersona.client import ApiError, ClientError, Denied, Unreachable
from netpersona.kinds.persona.kind import PERSONA


def test_no_socket_says_up(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="not running") as caught, connect(Settings(run_dir=tmp_path)):
        pass
    assert "netpersona up" in str(caught.value.remedy)


@pytest.mark.parametrize("server", ["localhost:8470", "ftp://x", "unix:"])
def test_an_address_of_no_known_kind_says_what_to_write(server: str) -> None:
    with pytest.raises(CliError, match=r"--server .* is not an address") as caught, connect(Settings(server)):
        pass
    assert "http://HOST:PORT" in str(caught.value.remedy)


@pytest.mark.parametrize("error", [Denied("you may not open it", "?"), ApiError(401, {"detail": "no token"})])
def test_what_a_token_would_help_says_the_option(error: ClientError) -> None:
    with pytest.raises(type(error)) as caught, connect(Settings("http://h:1")):
        raise error
    assert "--token-file" in str(caught.value.remedy)


def test_what_cannot_be_reached_says_the_option() -> None:
    with pytest.raises(Unreachable) as caught, connect(Settings("http://h:1")):
        raise Unreachable("cannot reach it", "check the address")
    assert caught.value.remedy == "check --server"


def asked_with(settings_of_token: dict[str, Any]) -> httpx2.Headers:
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={"items": []})

    with connect(Settings(transport=httpx2.MockTransport(answer), **settings_of_token)) as client:
        client.all(PERSONA)
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
