"""Watches over HTTP: NDJSON, or server-sent events (WHATWG HTML, section 9.2) for browsers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence, Set
from functools import partial
from typing import Annotated, Final

from fastapi import Query, Request
from starlette.responses import StreamingResponse

from netpersona.control.watch.feed import Feed, Message
from netpersona.control.watch.hub import Subscription

BOOKMARK_EVERY_S: Final = 30.0
"""A watch with nothing to say repeats the newest revision this often, so that both ends notice a dead one."""

DOCUMENTS_BOUND: Final = 1024
"""Documents that the reader of a stream is expected to keep; then it is told to forget them."""
CHUNK_BYTES: Final = 64 << 10

SSE: Final = "text/event-stream"
NDJSON: Final = "application/x-ndjson"

PUSH: Final = "netpersona.push"
"""Extension of the ASGI scope; its ``write`` sends a part of the streamed answer at once, if that can be."""

Watch = Annotated[bool, Query(description="Stream changes instead of answering a list")]
Since = Annotated[
    int | None,
    Query(
        ge=0, le=2**63 - 1, description="Start after this revision; without it, with all there is, as ADDED"
    ),
]


def stream(
    feed: Feed, topic: str, request: Request, revision: int | None, part: str = ""
) -> StreamingResponse:
    """Raises Gone if ``revision`` (or a browser's Last-Event-ID) is no longer held."""
    events = SSE in request.headers.get("accept", "")
    resumed = request.headers.get("last-event-id", "")
    if events and not part and resumed.isascii() and resumed.isdigit() and len(resumed) < 19:
        revision = int(resumed)
    subscription = feed.watch(topic, revision, part)
    text = Text(_sse if events else _ndjson)
    push: Callable[[bytes], bool] | None = request.scope.get("extensions", {}).get(PUSH, {}).get("write")
    if push is not None:
        subscription.direct = lambda message: text.give(message, push)
    lines = _lines(subscription, feed, text)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines, media_type=SSE if events else NDJSON, headers=headers)


class Text:
    """One stream, written: before a message come the documents that it names and that were not told yet."""

    def __init__(self, form: Callable[[Message], bytes]) -> None:
        self._form = form
        self._told: set[str] = set()

    def give(self, message: Message, take: Callable[[bytes], bool]) -> bool:
        """Whether ``take`` took it; if not, it was not told."""
        missing = message.documents.keys() - self._told if message.documents else None
        if not missing:
            return take(self._form(message))
        if not take(b"".join([*self._documents(message, missing), self._form(message)])):
            return False
        if self._is_full(missing):
            self._told.clear()
        self._told |= message.documents.keys()
        return True

    def _documents(self, message: Message, missing: Set[str]) -> Iterator[bytes]:
        if self._is_full(missing):
            yield self._form(Message("FORGET", message.revision, dict))
            missing = message.documents.keys()
        for digest in sorted(missing):
            told = {"digest": digest, "document": message.documents[digest]}
            yield self._form(Message("DOCUMENT", message.revision, partial(dict, told)))

    def _is_full(self, missing: Set[str]) -> bool:
        return len(self._told) + len(missing) > DOCUMENTS_BOUND


async def _lines(subscription: Subscription[Message], feed: Feed, text: Text) -> AsyncIterator[bytes]:
    try:
        while True:
            try:
                async with asyncio.timeout(BOOKMARK_EVERY_S):
                    messages = await subscription.take()
            except TimeoutError:
                messages = [feed.bookmark()]
            if not messages:
                return
            for chunk in _chunks(messages, text):
                yield chunk
    finally:
        subscription.close()


def _chunks(messages: Sequence[Message], text: Text) -> Iterator[bytes]:
    """What is big is sent piece by piece: hundreds of messages may hold one large document each."""
    waiting = bytearray()
    for message in messages:
        text.give(message, partial(_append, waiting))
        if len(waiting) >= CHUNK_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


def _append(waiting: bytearray, data: bytes) -> bool:
    waiting += data
    return True


def _ndjson(message: Message) -> bytes:
    return message.body + b"\n"


def _sse(message: Message) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (message.revision, message.type.encode(), message.body)
