from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from netpersona.control.http import protocol
from netpersona.control.http.protocol import KEPT_BOUND, Connection, Early, Waiting
from netpersona.control.http.streams import PUSH


async def _answer(_scope: Any, receive: Any, send: Any) -> None:
    while (message := await receive()).get("more_body"):
        continue
    if message["type"] == "http.disconnect":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


class _Talk:
    """A listener on a Unix socket with the protocol under test."""

    def __init__(self, path: str, bound: int = 10, app: Any = _answer, early: Early | None = None) -> None:
        self.path = path
        state = ServerState()
        config = uvicorn.Config(app, interface="asgi3", lifespan="off", log_config=None, ws="none")
        self._make = partial(
            Connection, waiting=Waiting(bound), early=early, config=config, server_state=state, app_state={}
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
    monkeypatch.setattr(protocol, "HEAD_S", 0.05)
    monkeypatch.setattr(protocol, "BODY_S", 0.06)


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


class _Notes:
    """Wants every PUT, and notes what is made early and what the application is asked, in order."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    def wants(self, method: bytes, target: bytes) -> bool:  # noqa: ARG002
        return method == b"PUT"

    def make(self, scope: Any, target: bytes, body: bytes) -> None:
        scope["made"] = True
        self.taken.append(f"early {target.decode()} {body.decode()}")

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        if not scope.get("made"):
            await asyncio.sleep(0.01)
            self.taken.append(f"app {scope['path']}")
        await _answer(scope, receive, send)


LONG = b"x" * (KEPT_BOUND + 1)


@pytest.mark.parametrize(
    ("pieces", "taken"),
    [
        ([b"PUT /a HTTP/1.1\r\nContent-Length: 2\r\n\r\nhi"], ["early /a hi"]),
        ([b"PUT /a HTTP/1.1\r\nContent-Length: 2\r\n\r\n", b"h", b"i"], ["early /a hi"]),
        ([b"PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", b"hi"], ["app /a"]),
        ([b"PUT /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(LONG), LONG], ["app /a"]),
        ([b"GET /a HTTP/1.1\r\n\r\nPUT /b HTTP/1.1\r\n\r\n"], ["app /a", "app /b"]),
        ([b"PUT /a HTTP/1.1\r\n\r\nPUT /b HTTP/1.1\r\n\r\n"], ["early /a ", "app /b"]),
    ],
)
def test_what_is_wanted_early_is_made_once_it_is_whole_and_its_turn(
    tmp_path: Any, pieces: list[bytes], taken: list[str]
) -> None:
    async def story() -> bytes:
        async with _Talk(str(tmp_path / "s"), app=notes.app, early=notes) as talk:
            return await talk.say(*pieces, b"GET /end HTTP/1.1\r\nConnection: close\r\n\r\n")

    notes = _Notes()
    answer = asyncio.run(story())
    assert answer.count(b" 200 ") == len(taken) + 1
    assert notes.taken == [*taken, "app /end"]


def test_what_is_pushed_comes_between_what_is_streamed(tmp_path: Any) -> None:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        push = scope["extensions"][PUSH]["write"]
        assert not push(b"too early")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": b"one ", "more_body": True})
        assert push(b"two ")
        await send({"type": "http.response.body", "body": b"three"})
        assert not push(b"too late")

    async def story() -> bytes:
        async with _Talk(str(tmp_path / "s"), app=app) as talk:
            return await talk.say(b"GET / HTTP/1.1\r\n\r\n")

    body = asyncio.run(story()).partition(b"\r\n\r\n")[2]
    assert body == b"4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\n"
