"""Watches over HTTP: NDJSON, or server-sent events (WHATWG HTML, section 9.2) for browsers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Final

from fastapi import Query, Request
from starlette.responses import StreamingResponse

from netpersona.control.feed import Feed, Message
from netpersona.control.hub import Subscription

BOOKMARK_EVERY_S: Final = 30.0
"""A watch with nothing to say repeats the newest revision this often, so that both ends notice a dead one."""

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
    form = _sse if events else _ndjson
    push: Callable[[bytes], bool] | None = request.scope.get("extensions", {}).get(PUSH, {}).get("write")
    if push is not None:
        subscription.direct = lambda message: push(form(message))
    lines = _lines(subscription, feed, form)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines, media_type=SSE if events else NDJSON, headers=headers)


async def _lines(
    subscription: Subscription[Message], feed: Feed, form: Callable[[Message], bytes]
) -> AsyncIterator[bytes]:
    try:
        while True:
            try:
                async with asyncio.timeout(BOOKMARK_EVERY_S):
                    messages = await subscription.take()
            except TimeoutError:
                messages = [feed.bookmark()]
            if not messages:
                return
            yield b"".join(form(message) for message in messages)
    finally:
        subscription.close()


def _ndjson(message: Message) -> bytes:
    return message.body + b"\n"


def _sse(message: Message) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (message.revision, message.type.encode(), message.body)
