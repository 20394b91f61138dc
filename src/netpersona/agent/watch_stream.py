"""The lines of a watch as they come: one HTTP request whose answer does not end.

A switch waits for the line that asks for it, so this is the one request that does not go through httpx2:
its layers take 0.2 ms a line. httptools, which the manager's server is built on, parses instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools

SILENCE_S = 300.0
"""A watch that says nothing for this long is taken for dead; the manager speaks every 30 s."""
_ANSWER_S = 5.0
_UNIX = "unix:"
_CHUNK = 1 << 16
_REFUSAL_BYTES = 1 << 16


class StreamEnded(Exception):
    """The connection was closed, or what came over it is not HTTP."""


class StreamRefused(Exception):
    """The manager answered with something else than 200."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status


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


async def stream_lines(address: str, target: str, token: str | None) -> AsyncGenerator[bytes, None]:
    """Every line that is not empty of the answer to GET `target` at `unix:PATH` or `http://HOST:PORT`.

    Raises:
        StreamRefused: the answer is not 200.
        StreamEnded: the answer ended, or nothing came for `SILENCE_S`.
        OSError: nobody listens there.
    """
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await _connect(address)
    except TimeoutError:
        raise StreamEnded("the manager does not take the connection") from None
    try:
        writer.write(_request(address, target, token))
        async with aclosing(_lines(reader)) as lines:
            async for line in lines:
                yield line
    finally:
        writer.close()


async def _connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.startswith(_UNIX):
        return await asyncio.open_unix_connection(address.removeprefix(_UNIX))
    parts = urlsplit(address)
    return await asyncio.open_connection(parts.hostname, parts.port or 80)


def _request(address: str, target: str, token: str | None) -> bytes:
    host = "netpersona" if address.startswith(_UNIX) else urlsplit(address).netloc
    lines = [f"GET {target} HTTP/1.1", f"Host: {host}", "Accept: application/x-ndjson"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")


async def _lines(reader: asyncio.StreamReader) -> AsyncGenerator[bytes, None]:
    answer = _Answer()
    parser = httptools.HttpResponseParser(answer)
    while True:
        await _feed(parser, reader, SILENCE_S if answer.headed else _ANSWER_S)
        if answer.headed and parser.get_status_code() != 200:
            while not answer.complete and len(answer.body) < _REFUSAL_BYTES:
                await _feed(parser, reader, _ANSWER_S)
            raise StreamRefused(parser.get_status_code(), answer.body.decode(errors="replace")[:500])
        for line in answer.lines():
            if line:
                yield line
        if answer.complete:
            raise StreamEnded("the manager ended the watch")


async def _feed(
    parser: httptools.HttpResponseParser, reader: asyncio.StreamReader, patience_s: float
) -> None:
    try:
        async with asyncio.timeout(patience_s):
            data = await reader.read(_CHUNK)
        parser.feed_data(data)
    except TimeoutError:
        raise StreamEnded(f"the manager said nothing for {patience_s:g} s") from None
    except httptools.HttpParserError as error:
        raise StreamEnded(f"the manager does not speak HTTP: {error}") from None
    if not data:
        raise StreamEnded("the manager closed the connection")
