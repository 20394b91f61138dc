"""HTTP/1.1 at the socket: what uvicorn leaves open.

A request has ``HEAD_S`` for its head and ``BODY_S`` for its body. Of more connections than a listener may
have, the oldest is closed on which no request is being answered: half-sent requests keep nobody out, and
watches stay. What is no HTTP is answered with a problem document, like everything else.
"""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import Any, Final, Protocol, cast

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from netpersona.control.http.streams import PUSH
from netpersona.control.problems import PROBLEM_MEDIA_TYPE, Detail, problem

HEAD_S: Final = 10.0
BODY_S: Final = 30.0
KEEP_ALIVE_S: Final = 30
"""How long a connection may be silent after an answer."""
HEAD_BOUND: Final = 64 << 10
"""Bytes of a request's head, as far as it came in pieces."""
KEPT_BOUND: Final = 4 << 10
"""Bytes of a body that are kept for ``Early``."""


class Waiting:
    """The connections of a listener on which no request is being answered, the oldest first."""

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._connections: dict[Connection, None] = {}

    def add(self, connection: Connection) -> None:
        self._connections[connection] = None

    def discard(self, connection: Connection) -> None:
        self._connections.pop(connection, None)

    def oldest(self) -> Connection:
        return next(iter(self._connections))


class Early(Protocol):
    """What may be done with a request before the application sees it."""

    def wants(self, method: bytes, target: bytes) -> bool:
        """Whether ``make`` is to be asked; then the request is kept until it is there as a whole."""

    def make(self, scope: Scope, target: bytes, body: bytes) -> None:
        """Does it, or not; ``scope`` tells the application, and has no method and no path of its own yet."""


class Connection(HttpToolsProtocol):
    """One connection. What ``early`` wants it gets first."""

    def __init__(self, *, waiting: Waiting, early: Early | None = None, **more: Any) -> None:
        super().__init__(**more)
        self._waiting = waiting
        self._early = early
        self._kept: bytearray | None = None
        self._head_size = 0
        self._owed_s: float | None = HEAD_S
        self._armed_s: float | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._waiting.add(self)
        self._arm()
        if len(self.connections) > self._waiting.bound:
            self._waiting.oldest().refuse(503, "there are too many connections", "close some, then try again")

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.discard(self)
        self._owed_s = None
        self._arm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._owed_s != self._armed_s:
            self._arm()
        if self._owed_s == HEAD_S:
            self._head_size += len(data)
            if self._head_size > HEAD_BOUND:
                self.refuse(431, f"the head of a request has {HEAD_BOUND} bytes at most", "send less")

    def on_message_begin(self) -> None:
        self._owed_s = HEAD_S
        super().on_message_begin()

        self.scope["extensions"] = {PUSH: {"write": self.push}}

    def on_headers_complete(self) -> None:
        self._owed_s, self._head_size = BODY_S, 0
        self._waiting.discard(self)
        wanted = self._early is not None and self._early.wants(self.parser.get_method(), self.url)
        if wanted and not self.expect_100_continue:
            self._kept = bytearray()
        else:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._kept is None:
            super().on_body(body)
            return
        self._kept += body
        if len(self._kept) > KEPT_BOUND:
            self._pass_on()

    def on_message_complete(self) -> None:
        self._owed_s = None
        if self._kept is not None:
            # Behind an answer that is under way it has to wait its turn.
            if self._early is not None and (self.cycle is None or self.cycle.response_complete):
                self._early.make(cast(Scope, self.scope), self.url, bytes(self._kept))
            self._pass_on()
        super().on_message_complete()

    def push(self, data: bytes) -> bool:
        """See ``streams.PUSH``."""
        cycle = self.cycle
        streams = cycle.response_started and not cycle.response_complete and cycle.chunked_encoding
        if not streams or self.flow.write_paused or self.transport.is_closing():
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    def _pass_on(self) -> None:
        kept, self._kept = self._kept, None
        super().on_headers_complete()
        super().on_body(bytes(kept or b""))

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.pipeline and not self.transport.is_closing():
            self._waiting.add(self)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        self.refuse(400, "this is not HTTP/1.1", "send a request as RFC 9112 says")

    def refuse(self, status: int, detail: str, remedy: str) -> None:
        """The last word on this connection; none in the middle of an answer."""
        if self.transport.is_closing():
            return
        cycle = self.cycle
        under_way = cycle is not None and not cycle.response_complete
        if not (under_way and cycle.response_started):
            self.transport.write(self._last_answer(status, detail, remedy))
        if under_way:
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.close()

    def _last_answer(self, status: int, detail: str, remedy: str) -> bytes:
        body = json.dumps(problem(status, detail, "", [Detail("", detail, remedy)])).encode()
        headers = [
            *self.server_state.default_headers,
            (b"content-type", PROBLEM_MEDIA_TYPE.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        first = b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
        return first + b"".join(b"%s: %s\r\n" % header for header in headers) + b"\r\n" + body

    def _arm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._armed_s = self._owed_s
        self._deadline = self.loop.call_later(self._owed_s, self._late) if self._owed_s else None

    def _late(self) -> None:
        what = "head" if self._owed_s == HEAD_S else "body"
        self.refuse(408, f"the {what} of the request did not come in time", "send it without a pause")
