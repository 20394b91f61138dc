from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from netpersona.control import http_protocol
from netpersona.control.http_protocol import Connection, Waiting


async def _answer(_scope: Any, receive: Any, send: Any) -> None:
    while (message := await receive()).get("more_body"):
        continue
    if message["type"] == "http.disconnect":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class _Talk:
    """A listener on a Unix socket with the protocol under test."""

    def __init__(self, path: str, bound: int = 10) -> None:
        self.path = path
        state, config = ServerState(), uvicorn.Config(_answer, lifespan="off", log_config=None, ws="none")
        self._make = partial(
            Connection, waiting=Waiting(bound), config=config, server_state=state, app_state={}
        )

    async def __aenter__(self) -> _Talk:
        self._server = await asyncio.get_running_loop().create_unix_server(self._make, self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def say(self, *pieces: bytes) -> bytes:
        """All that is answered until the other side closes."""
        reader, writer = await asyncio.open_unix_connection(self.path)
        try:
            for piece in pieces:
                writer.write(piece)
                await asyncio.sleep(0)
            return await asyncio.wait_for(reader.read(), 10)
        except ConnectionResetError:  # closed before our words were read
            return b"HTTP/1.1 503 unread"
        finally:
            writer.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_S", 0.05)
    monkeypatch.setattr(http_protocol, "BODY_S", 0.06)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (b"", b"408", b"head"),
        (b"GET / HT", b"408", b"head"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n", b"408", b"head"),
        (b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc", b"408", b"body"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", b"200", b"ok"),
        (b"nonsense\r\n\r\n", b"400", b"problem+json"),
    ],
)
def test_a_request_has_its_time(tmp_path: Any, sent: bytes, status: bytes, said: bytes) -> None:
    async def story() -> bytes:
        async with _Talk(str(tmp_path / "s")) as talk:
            return await talk.say(sent)

    answer = asyncio.run(story())
    assert answer.split()[1] == status
    assert said in answer


@pytest.mark.usefixtures("hasty")
def test_a_second_request_on_a_connection_has_its_time_too(tmp_path: Any) -> None:
    async def story() -> bytes:
        async with _Talk(str(tmp_path / "s")) as talk:
            return await talk.say(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"GET / HT")

    answer = asyncio.run(story())
    assert answer.index(b" 200 ") < answer.index(b" 408 ")


def test_the_oldest_that_has_asked_nothing_makes_room(tmp_path: Any) -> None:
    async def story() -> None:
        async with _Talk(str(tmp_path / "s"), bound=3) as talk:
            strangers = [asyncio.create_task(talk.say(b"GET / HT")) for _ in range(4)]
            done, _ = await asyncio.wait(strangers, return_when=asyncio.FIRST_COMPLETED, timeout=5)
            assert done == {strangers[0]}
            assert strangers[0].result().split()[1] == b"503"
            request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            assert (await talk.say(request)).endswith(b"ok")
            for stranger in strangers:
                stranger.cancel()
            await asyncio.gather(*strangers, return_exceptions=True)
            await asyncio.sleep(0.01)  # the other ends hear of it

    asyncio.run(story())
