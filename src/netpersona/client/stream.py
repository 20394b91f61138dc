"""The lines of a watch as they come: one HTTP request whose answer does not end.

A switch waits for the line that asks for it, so the asynchronous client does not read it through httpx2,
whose layers take 0.2 ms a line. httptools, which the manager's server is built on, parses instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools

from netpersona.client.address import Address, unreachable
from netpersona.client.calls import read_answer
from netpersona.client.errors import Unreachable
from netpersona.client.watching import SILENCE_S

_ANSWER_S = 5.0
_CHUNK = 1 << 16
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
    """Every line that is not empty of the answer to GET `target`.

    Raises:
        ApiError: the answer is not 200.
        Unreachable: nobody listens there, the answer ended, or nothing came for `SILENCE_S`.
    """
    try:
        async with asyncio.timeout(_ANSWER_S):
            reader, writer = await _connect(address)
    except TimeoutError:
        raise Unreachable(f"the manager at {address.text} does not take the connection") from None
    except OSError as error:
        raise unreachable(address, error) from error
    try:
        writer.write(_request(address, target, token))
        async with aclosing(_lines(reader)) as lines:
            async for line in lines:
                yield line
    except OSError as error:
        raise unreachable(address, error) from error
    finally:
        writer.close()


async def _connect(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.socket is not None:
        return await asyncio.open_unix_connection(address.socket)
    parts = urlsplit(address.text)
    tls = parts.scheme == "https"
    return await asyncio.open_connection(parts.hostname, parts.port or (443 if tls else 80), ssl=tls or None)


def _request(address: Address, target: str, token: str | None) -> bytes:
    host = urlsplit(address.base_url).netloc
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
            read_answer(parser.get_status_code(), bytes(answer.body))
        for line in answer.lines():
            if line:
                yield line
        if answer.complete:
            raise Unreachable("the manager ended the watch", "see `netpersona status`")


async def _feed(
    parser: httptools.HttpResponseParser, reader: asyncio.StreamReader, patience_s: float
) -> None:
    try:
        async with asyncio.timeout(patience_s):
            data = await reader.read(_CHUNK)
        parser.feed_data(data)
    except TimeoutError:
        raise Unreachable(f"the manager said nothing for {patience_s:g} s") from None
    except httptools.HttpParserError as error:
        raise Unreachable(f"what answers does not speak HTTP: {error}") from None
    if not data:
        raise Unreachable("the manager closed the connection")
