"""Keeps a table of the containers of this host, by the events of their runtimes.

Events only say when to look; what an inspection answers counts. A runtime without events is listed
every second instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from netpersona.host.container_api import ContainerApi, EventsRefused, LookFailed, RuntimeUnreachable
from netpersona.host.containers import Container, named

SOCKETS = (Path("/run/podman/podman.sock"), Path("/run/docker.sock"))
RETRY_S = 1.0
"""Between two tries to reach a runtime, and between two lists of one without events."""
LOOKS, LOOK_AGAIN_S = 5, 0.05
"""How often, and how soon again, one container is looked at that its runtime does not describe now."""


class ContainerWatch:
    """All runtimes of a host. `run` on an event loop; the rest from any thread."""

    def __init__(self, sockets: Sequence[Path], changed: Callable[[Iterable[Container]], None]) -> None:
        """`changed` is told on the event loop what containers were, and what they are now."""
        self._changed = changed
        self._tables: dict[Path, dict[str, Container]] = {}
        self._problems = dict.fromkeys(sockets, "")
        self._needed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def need(self) -> None:
        """No runtime is asked anything before this: podman's may have to be started for it."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._needed.set)

    def find(self, reference: str) -> list[Container]:
        """Those that a name or an id means."""
        self.need()
        return named(self.all(), reference)

    def all(self) -> list[Container]:
        return [container for table in list(self._tables.values()) for container in list(table.values())]

    @property
    def complete(self) -> bool:
        """Whether what is not in the table is not there: every runtime with a socket is heard."""
        silent = self._problems.keys() - self._tables.keys()
        return bool(self._tables) and not any(socket.exists() for socket in silent)

    @property
    def problem(self) -> str:
        """Why the table is not complete, for a person; "" while a runtime has not answered yet."""
        if "" in (self._problems[socket] for socket in self._problems.keys() - self._tables.keys()):
            return ""
        return "; ".join(text for socket, text in self._problems.items() if socket not in self._tables)

    async def run(self) -> None:
        """Never returns."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            for socket in list(self._problems):
                group.create_task(self._keep(socket))

    async def _keep(self, socket: Path) -> None:
        await self._needed.wait()
        while True:
            try:
                async with ContainerApi(socket) as api:
                    await self._follow(api, socket)
            except RuntimeUnreachable as error:
                told, self._problems[socket] = self._problems[socket], str(error)
                if self._tables.pop(socket, None) is not None or told != str(error):
                    self._changed(())
            await asyncio.sleep(RETRY_S)

    async def _follow(self, api: ContainerApi, socket: Path) -> None:
        """Until the runtime ends it, which one without events does at once. Raises RuntimeUnreachable."""
        try:
            async for identity in api.events():
                await (self._look(api, socket, identity) if identity else self._list(api, socket))
        except EventsRefused:
            await self._list(api, socket)

    async def _list(self, api: ContainerApi, socket: Path) -> None:
        before = self._tables.get(socket, {})
        found = [await _inspected(api, identity, before.get(identity)) for identity in await api.ids()]
        now = {entry.id: entry for entry in found if entry}
        self._tables[socket] = now
        self._changed({*before.values()} ^ {*now.values()})

    async def _look(self, api: ContainerApi, socket: Path, identity: str) -> None:
        table = self._tables[socket]
        container = await _inspected(api, identity, table.get(identity))
        before = table.pop(identity, None)
        if container is not None:
            table[identity] = container
        self._changed([entry for entry in (before, container) if entry])


async def _inspected(api: ContainerApi, identity: str, known: Container | None) -> Container | None:
    """As it is now; as it was `known` if its runtime cannot say, so that one does not hide all others."""
    for _ in range(LOOKS):
        try:
            return await api.inspect(identity)
        except LookFailed:
            await asyncio.sleep(LOOK_AGAIN_S)
    return known
