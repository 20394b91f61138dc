"""The lines of a watch as they come: one HTTP request whose answer does not end.

A switch waits for the line that asks for it, so neither httpx2, whose layers take 0.2 ms a line, nor a stream
reader, which wakes a task for it, is between: httptools, which the manager's server is built on, parses in
the call of the event loop that brings the bytes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NoReturn, cast
from urllib.parse import urlsplit

import httptools

from netpersona.client.address import Address, unreachable
from netpersona.client.calls import read_answer
from netpersona.client.errors import Unreachable
from netpersona.client.watching import SILENCE_S, Event, read_event

_ANSWER_S = 5.0
_REFUSAL_BYTES = 1 << 16


@dataclass
class _Answer:
    """What httptools calls back; `body` holds what no line was made of yet."""

    body: bytearray = field(default_factory=bytearray)
    headed: bool = False
    complete: bool = False

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True

    def lines(self) -> list[bytes]:
        *whole, rest = bytes(self.body).split(b"\n")
        self.body[:] = rest
        return whole


async def stream_lines(address: Address, target: str, token: str | None) -> AsyncGenerator[bytes, None]:
    """Every line that is not empty of the answer to GET `target`. What is not read yet waits in the manager.

    Raises:
        ApiError: the answer is not 200.
        Unreachable: nobody listens there, the answer ended, or nothing came for `SILENCE_S`.
    """
    lines: deque[bytes] = deque()
    async with _asked(address, target, token, lines.append) as stream:
        while True:
            stream.read(True)
            await stream.more()
            stream.read(False)
            while lines:
                yield lines.popleft()


async def follow_lines(
    address: Address, target: str, token: str | None, take: Callable[[bytes], None]
) -> NoReturn:
    """`stream_lines`, given to `take` at once. Raises as it does, and what `take` raises."""
    async with _asked(address, target, token, take) as stream:
        while True:
            await stream.more()


def event_of(line: bytes) -> Event:
    """Raises Unreachable for what is no event."""
    try:
        return read_event(line)
    except ValueError as error:
        raise Unreachable(f"what answers is no watch: {error}") from error


class _Stream(asyncio.Protocol):
    """One answer. Raising is left to `more`."""

    transport: asyncio.Transport

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take
        self._answer = _Answer()
        self._parser = httptools.HttpResponseParser(self._answer)
        self._news = asyncio.Event()
        self._end: Exception | None = None

    async def more(self) -> None:
        """Returns when something has come since the last time, after `take` had it."""
        if self._end is not None:
            raise self._end
        patience_s = SILENCE_S if self._answer.headed else _ANSWER_S
        try:
            async with asyncio.timeout(patience_s):
                await self._news.wait()
        except TimeoutError:
            raise Unreachable(f"the manager said nothing for {patience_s:g} s") from None
        self._news.clear()

    def read(self, goes_on: bool) -> None:
        """Whether what comes is read, or waits at the other end."""
        if self._end is None:  # uvloop raises once the connection is lost
            (self.transport.resume_reading if goes_on else self.transport.pause_reading)()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._end is None:
            try:
                self._read(data)
            except httptools.HttpParserError as error:
                self._end = Unreachable(f"what answers does not speak HTTP: {error}")
            except Exception as error:
                self._end = error
        self._news.set()

    def connection_lost(self, error: Exception | None) -> None:
        self._end = self._end or error or Unreachable("the manager closed the connection")
        self._news.set()

    def _read(self, data: bytes) -> None:
        self._parser.feed_data(data)
        answer = self._answer
        if not answer.headed:
            return
        if self._parser.get_status_code() != 200:
            if answer.complete or len(answer.body) >= _REFUSAL_BYTES:
                read_answer(self._parser.get_status_code(), bytes(answer.body))
            return
        for line in answer.lines():
            if line:
                self._take(line)
        if answer.complete:
            raise Unreachable("the manager ended the watch", "see `netpersona status`")


@asynccontextmanager
async def _asked(
    address: Address, target: str, token: str | None, take: Callable[[bytes], None]
) -> AsyncIterator[_Stream]:
    try:
        async with asyncio.timeout(_ANSWER_S):
            stream = await _connect(address, lambda: _Stream(take))
    except TimeoutError:
        raise Unreachable(f"the manager at {address.text} does not take the connection") from None
    except OSError as error:
        raise unreachable(address, error) from error
    try:
        stream.transport.write(_request(address, target, token))
        yield stream
    except OSError as error:
        raise unreachable(address, error) from error
    finally:
        stream.transport.close()


async def _connect(address: Address, protocol: Callable[[], _Stream]) -> _Stream:
    loop = asyncio.get_running_loop()
    if address.socket is not None:
        return (await loop.create_unix_connection(protocol, address.socket))[1]
    parts = urlsplit(address.text)
    tls = parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    host = parts.hostname or ""  # `Address.parse` has seen to it that there is one
    return (await loop.create_connection(protocol, host, port, ssl=tls or None))[1]


def _request(address: Address, target: str, token: str | None) -> bytes:
    host = urlsplit(address.base_url).netloc
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Accept: application/x-ndjson"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")
