"""The asynchronous watch, against a server of real sockets that says what each test scripts."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from netpersona.client import ApiError, AsyncClient, ClientError, Unreachable, stream
from netpersona.client.address import Address
from netpersona.kinds.workload import WORKLOAD

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
ADDED = b'{"type": "ADDED", "object": {"workload_id": "web"}}\n'
HOLD = b""
"""A piece that keeps the connection open until the client hangs up."""
BOOKMARK = b'{"type": "BOOKMARK", "object": {}}\n'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@contextmanager
def saying(path: Path, pieces: Sequence[bytes], asked: list[bytes]) -> Iterator[str]:
    """A server that takes one request, says `pieces` one by one and closes."""

    def answer() -> None:
        connection, _ = listening.accept()
        with connection:
            asked.append(connection.recv(1 << 16))
            for piece in pieces:
                connection.sendall(piece)
            if HOLD in pieces:
                connection.recv(1)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path / "api.sock"))
        listening.listen()
        server = threading.Thread(target=answer)
        server.start()
        yield f"unix:{path / 'api.sock'}"
        server.join()


def events(path: Path, *pieces: bytes, asked: list[bytes] | None = None) -> tuple[list[str], ClientError]:
    """Types of the events that came, and how the watch ended."""

    async def story() -> tuple[list[str], ClientError]:
        types: list[str] = []
        async with AsyncClient(address, "secret") as manager:
            try:
                async for event in manager.watch(WORKLOAD, host="a b"):
                    types.append(event.type)
            except ClientError as error:
                return types, error
        raise AssertionError("a watch never ends quietly")

    with saying(path, pieces, asked if asked is not None else []) as address:
        return asyncio.run(story())


def test_a_watch_is_read_line_by_line_until_it_ends(tmp_path: Path) -> None:
    asked: list[bytes] = []
    types, end = events(tmp_path, HEAD + chunk(ADDED) + chunk(BOOKMARK) + chunk(b""), asked=asked)
    assert types == ["ADDED", "BOOKMARK"]
    assert isinstance(end, Unreachable)
    assert asked[0].startswith(b"GET /v1/workloads?watch=1&host=a%20b HTTP/1.1\r\nHost: netpersona\r\n")
    assert b"Authorization: Bearer secret\r\n" in asked[0]


def test_lines_are_whole_wherever_the_stream_is_cut(tmp_path: Path) -> None:
    whole = HEAD + chunk(ADDED[:7]) + chunk(ADDED[7:] + BOOKMARK[:3]) + chunk(BOOKMARK[3:]) + chunk(b"")
    types, _ = events(tmp_path, *(whole[at : at + 5] for at in range(0, len(whole), 5)))
    assert types == ["ADDED", "BOOKMARK"]


def test_a_line_that_was_cut_off_is_no_event(tmp_path: Path) -> None:
    types, end = events(tmp_path, HEAD + chunk(BOOKMARK) + chunk(ADDED[:-1]))
    assert types == ["BOOKMARK"]
    assert isinstance(end, Unreachable)


@pytest.mark.parametrize(("status", "is_temporary"), [(401, False), (410, True)])
def test_a_refusal_is_told_with_its_problem(tmp_path: Path, status: int, is_temporary: bool) -> None:
    said = b'{"detail": "why"}'
    _, end = events(tmp_path, b"HTTP/1.1 %d No\r\nContent-Length: %d\r\n\r\n%s" % (status, len(said), said))
    assert isinstance(end, ApiError)
    assert (end.status, end.message, end.is_temporary) == (status, "why", is_temporary)


@pytest.mark.parametrize(
    "said", [b"\r\n", b"SSH-2.0-OpenSSH\r\n", HEAD + b"zz\r\n", HEAD + chunk(b"no JSON\n")]
)
def test_what_is_no_watch_is_unreachable(tmp_path: Path, said: bytes) -> None:
    types, end = events(tmp_path, said)
    assert (types, type(end)) == ([], Unreachable)


def test_nobody_there_is_unreachable(tmp_path: Path) -> None:
    async def story() -> None:
        async with AsyncClient(f"unix:{tmp_path / 'none.sock'}") as manager:
            await anext(manager.watch(WORKLOAD))

    with pytest.raises(Unreachable, match="not running"):
        asyncio.run(story())


def test_a_manager_that_falls_silent_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SILENCE_S", 0.05)

    types, end = events(tmp_path, HEAD + chunk(BOOKMARK), HOLD)
    assert types == ["BOOKMARK"]
    assert "said nothing" in str(end)


def test_a_line_is_taken_in_the_call_that_brings_it() -> None:
    async def story() -> None:
        taken: list[bytes] = []
        stream_ = stream._Stream(taken.append)
        stream_.data_received(HEAD + chunk(ADDED) + chunk(BOOKMARK[:4]))
        assert taken == [ADDED.strip()]

    asyncio.run(story())


def test_what_takes_lines_may_fail(tmp_path: Path) -> None:
    def take(_: bytes) -> None:
        raise RuntimeError("why")

    async def story(address: str) -> None:
        await stream.follow_lines(Address.parse(address), "/", None, take)

    with saying(tmp_path, [HEAD + chunk(BOOKMARK)], []) as address, pytest.raises(RuntimeError, match="why"):
        asyncio.run(story(address))


def test_what_is_not_read_yet_waits_at_the_other_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that sleeps holds a few lines, not all that was ever said."""
    made: list[stream._Stream] = []

    class Kept(stream._Stream):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            made.append(self)
            super().connection_made(transport)

    async def story(address: str) -> None:
        lines = stream.stream_lines(Address.parse(address), "/", None)
        await anext(lines)
        assert not made[0].transport.is_reading()
        await lines.aclose()

    monkeypatch.setattr(stream, "_Stream", Kept)
    with saying(tmp_path, [HEAD + chunk(BOOKMARK), HOLD], []) as address:
        asyncio.run(story(address))


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_connection_that_is_lost_ends_a_watch_in_any_loop(tmp_path: Path, run: Any) -> None:
    async def story(address: str) -> None:
        async for _ in stream.stream_lines(Address.parse(address), "/", None):
            pass

    pieces = [HEAD + chunk(BOOKMARK), chunk(ADDED)]
    with saying(tmp_path, pieces, []) as address, pytest.raises(Unreachable, match="closed the connection"):
        run(story(address))
