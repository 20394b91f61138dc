"""The client against a real manager, which is stopped, killed and started again meanwhile."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from queue import Queue
from typing import Any

import pytest
from tests.api.conftest import Manager

from netpersona.client import Assignment, AsyncClient, Client, Conflict, Event, NotFound
from netpersona.kinds.persona import Persona
from netpersona.kinds.persona.kind import PERSONA
from netpersona.kinds.workload import WORKLOAD

Start = Callable[..., AbstractContextManager[Manager]]
WAIT_S = 20.0


def persona(name: str, **keys: Any) -> tuple[str, Persona]:
    return name, Persona(persona_id=name, **keys)


@pytest.fixture
def address(shared: Manager) -> str:
    return f"unix:{shared.path}"


def test_the_life_of_a_persona_on_a_workload(address: str) -> None:
    place = WORKLOAD.read({"workload_id": "client-w", "kind": "interface", "interface": "cw0"})
    with Client(address) as manager:
        stored = manager.create(PERSONA, *persona("client-a", mtu=1400))
        manager.create(WORKLOAD, *place)
        worn = manager.assign("client-w", Assignment("client-a", ttl="60s"))
        assert worn.state.assignment
        assert worn.state.assignment.persona_id == "client-a"
        with pytest.raises(Conflict, match="client-w"):
            manager.delete(PERSONA, "client-a")
        with pytest.raises(Conflict):
            manager.replace(PERSONA, *persona("client-a"), stored.revision + 1)
        newest = manager.replace(PERSONA, *persona("client-a"), stored.revision)
        assert manager.revision(PERSONA, "client-a", stored.revision).spec.mtu == 1400
        assert manager.release("client-w").state.assignment is None
        assert manager.rollback("client-w").state.assignment is not None
        asked = manager.verify("client-w", probes=10)
        assert manager.verification("client-w", asked.name).state.state == "pending"
        assert manager.cancel("client-w", asked.name).state.state == "cancelled"
        manager.delete(WORKLOAD, "client-w")
        manager.delete(PERSONA, "client-a", newest.revision)
        assert manager.find(PERSONA, "client-a") is None


def test_a_rehearsal_stores_nothing_and_refuses_what_would_be_refused(address: str) -> None:
    with Client(address) as manager:
        manager.rehearse(PERSONA, *persona("client-r"))
        assert manager.find(PERSONA, "client-r") is None
        stored = manager.create(PERSONA, *persona("client-r"))
        with pytest.raises(Conflict):
            manager.rehearse(PERSONA, *persona("client-r"))
        with pytest.raises(Conflict):
            manager.rehearse(PERSONA, *persona("client-r"), stored.revision + 1)
        manager.rehearse(PERSONA, *persona("client-r", mtu=1400), stored.revision)
        assert manager.get(PERSONA, "client-r") == stored
        manager.delete(PERSONA, "client-r")


def test_a_collection_longer_than_a_page_is_read_whole(address: str) -> None:
    names = [f"client-page-{number:03}" for number in range(130)]

    async def story() -> list[str]:
        async with AsyncClient(address) as manager:
            for name in names:
                await manager.create(PERSONA, *persona(name))
            found = [stored.name for stored in await manager.all(PERSONA)]
            for name in names:
                await manager.delete(PERSONA, name)
            with pytest.raises(NotFound):
                await manager.get(PERSONA, names[0])
            return found

    assert [name for name in asyncio.run(story()) if name in names] == names


def told(events: Iterator[Event], into: Queue[tuple[str, str]]) -> None:
    for event in events:
        if event.type != "BOOKMARK":
            into.put((event.type, str(event.object.get("persona_id"))))
        if event.object.get("persona_id") == "end":
            return


def following(address: str, asynchronous: bool, into: Queue[tuple[str, str]]) -> None:
    """Hands on what is told of personas until one is called `end`."""
    if not asynchronous:
        with Client(address) as manager:
            told(manager.follow(PERSONA), into)
        return

    async def story() -> None:
        async with AsyncClient(address) as manager:
            async for event in manager.follow(PERSONA):
                told(iter([event]), into)
                if event.object.get("persona_id") == "end":
                    return

    asyncio.run(story())


@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_is_followed_misses_nothing_while_the_manager_is_away(
    start: Start, tmp_path: Path, asynchronous: bool, number: signal.Signals
) -> None:
    seen: Queue[tuple[str, str]] = Queue()
    with start(tmp_path) as running:
        address = f"unix:{running.path}"
        with Client(address) as manager:
            for name in ("kept", "changed", "deleted"):
                manager.create(PERSONA, *persona(name))
        follower = threading.Thread(target=following, args=(address, asynchronous, seen))
        follower.start()
        first = {seen.get(timeout=WAIT_S) for _ in range(3)}
        assert first == {("ADDED", "kept"), ("ADDED", "changed"), ("ADDED", "deleted")}
        running.stop(number)
    with start(tmp_path) as running:
        with Client(address) as manager:
            manager.delete(PERSONA, "deleted")
            revision = manager.get(PERSONA, "changed").revision
            manager.replace(PERSONA, *persona("changed", mtu=1400), revision)
            manager.create(PERSONA, *persona("end"))
        follower.join(WAIT_S)
    rest = [seen.get_nowait() for _ in range(seen.qsize())]
    assert sorted(rest) == [("ADDED", "end"), ("DELETED", "deleted"), ("MODIFIED", "changed")]


def test_the_command_watch_goes_on_after_a_restart(start: Start, tmp_path: Path) -> None:
    with start(tmp_path) as running:
        address = f"unix:{running.path}"
        with Client(address) as manager:
            manager.create(PERSONA, *persona("before"))
        command = [sys.executable, "-m", "netpersona.cli", "--server", address, "watch", "personas"]
        watch = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert watch.stdout is not None
        assert watch.stdout.readline() == "ADDED     persona/before  revision 1\n"
    with start(tmp_path):
        with Client(address) as manager:
            manager.create(PERSONA, *persona("after"))
        assert watch.stdout.readline().startswith("ADDED     persona/after")
        watch.send_signal(signal.SIGINT)
        out, said = watch.communicate(timeout=WAIT_S)
    assert (watch.returncode, out) == (130, "")
    assert "this goes on once the manager answers" in said
