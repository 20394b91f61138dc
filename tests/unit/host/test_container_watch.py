"""Against a runtime of a few lines on a real Unix socket. Real ones: tests/netns/test_containers.py."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from netpersona.host.container_watch import ContainerWatch

ONE, BROKEN = "a" * 64, "b" * 64


class Runtime:
    """Answers lists and inspections; has no events, so that it is listed again every second."""

    def __init__(self) -> None:
        self.inspections: dict[str, tuple[int, Any]] = {}
        for identity, name in ((ONE, "one"), (BROKEN, "broken")):
            state = {"Running": True, "Pid": 7}
            self.inspections[identity] = (200, {"Id": identity, "Name": f"/{name}", "State": state})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        status, body = self._answer(path)
        text = json.dumps(body).encode()
        writer.write(
            b"HTTP/1.1 %d x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(text))
        )
        writer.write(text)
        await writer.drain()
        writer.close()

    def _answer(self, path: str) -> tuple[int, Any]:
        if path.startswith("/containers/json"):
            return 200, [{"Id": identity} for identity in self.inspections]
        if path.startswith("/containers/"):
            return self.inspections.get(path.split("/")[2], (404, {}))
        return 500, {}


def watching(tmp_path: Path, runtime: Runtime, story: Callable[[ContainerWatch, asyncio.Event], Any]) -> None:
    async def run() -> None:
        socket = tmp_path / "socket"
        looked = asyncio.Event()
        async with await asyncio.start_unix_server(runtime.serve, socket):
            watch = ContainerWatch([socket], lambda _: looked.set())
            running = asyncio.ensure_future(watch.run())
            await asyncio.sleep(0)
            watch.need()
            async with asyncio.timeout(20):
                await story(watch, looked)
            running.cancel()

    asyncio.run(run())


def test_one_that_cannot_be_described_hides_no_other(tmp_path: Path) -> None:
    """Podman answers 500 about a container that is being removed."""
    runtime = Runtime()
    runtime.inspections[BROKEN] = (500, {"cause": "no such container"})

    async def story(watch: ContainerWatch, looked: asyncio.Event) -> None:
        await looked.wait()
        assert [container.name for container in watch.all()] == ["one"]
        assert watch.complete

    watching(tmp_path, runtime, story)


def test_one_that_cannot_be_described_any_more_stays_as_it_was_until_it_is_gone(tmp_path: Path) -> None:
    runtime = Runtime()

    async def story(watch: ContainerWatch, looked: asyncio.Event) -> None:
        for answer, names in (
            (runtime.inspections[BROKEN], {"one", "broken"}),
            ((500, {}), {"one", "broken"}),
            ((404, {}), {"one"}),
        ):
            runtime.inspections[BROKEN] = answer
            looked.clear()
            await looked.wait()
            looked.clear()
            await looked.wait()
            assert {container.name for container in watch.all()} == names

    watching(tmp_path, runtime, story)


def test_a_socket_of_somebody_elses_kind_is_not_believed(tmp_path: Path) -> None:
    async def story() -> None:
        (tmp_path / "file").write_text("")
        told = asyncio.Event()
        watch = ContainerWatch([tmp_path / "file"], lambda _: told.set())
        running = asyncio.ensure_future(watch.run())
        await asyncio.sleep(0)
        watch.need()
        await asyncio.wait_for(told.wait(), 10)
        assert "not believed" in watch.problem
        assert not watch.complete
        running.cancel()

    asyncio.run(story())
