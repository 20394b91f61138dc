"""The client against a real manager, which is stopped, killed and started again meanwhile."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from queue import Queue

import pytest
from tests.api.conftest import Manager

from netpersona.client import Assignment, AsyncClient, Client, Conflict, Event, NotFound

Start = Callable[..., AbstractContextManager[Manager]]
WAIT_S = 20.0


@pytest.fixture
def address(shared: Manager) -> str:
    return f"unix:{shared.path}"


def test_the_life_of_a_persona_on_a_workload(address: str) -> None:
    with Client(address) as manager:
        stored = manager.create("personas", {"persona_id": "client-a", "mtu": 1400})
        manager.create("workloads", {"workload_id": "client-w", "kind": "interface", "interface": "cw0"})
        worn = manager.assign("client-w", Assignment("client-a", ttl="60s"))
        assert worn["assignment"]["persona_id"] == "client-a"
        with pytest.raises(Conflict, match="client-w"):
            manager.delete("personas", "client-a")
        with pytest.raises(Conflict):
            manager.replace("personas", "client-a", {"persona_id": "client-a"}, stored["revision"] + 1)
        newest = manager.replace("personas", "client-a", {"persona_id": "client-a"}, stored["revision"])
        assert manager.revision("personas", "client-a", stored["revision"])["spec"]["mtu"] == 1400
        assert manager.release("client-w")["assignment"] is None
        assert manager.rollback("client-w")["assignment"] is not None
        asked = manager.verify("client-w", probes=10)
        assert manager.verification("client-w", asked["verification_id"])["state"] == "pending"
        assert manager.cancel("client-w", asked["verification_id"])["state"] == "cancelled"
        manager.delete("workloads", "client-w")
        manager.delete("personas", "client-a", newest["revision"])
        assert manager.find("personas", "client-a") is None


def test_a_collection_longer_than_a_page_is_read_whole(address: str) -> None:
    names = [f"client-page-{number:03}" for number in range(130)]

    async def story() -> list[str]:
        async with AsyncClient(address) as manager:
            for name in names:
                await manager.create("personas", {"persona_id": name})
            found = [str(persona["persona_id"]) for persona in await manager.all("personas")]
            for name in names:
                await manager.delete("personas", name)
            with pytest.raises(NotFound):
                await manager.get("personas", names[0])
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
            told(manager.follow("personas"), into)
        return

    async def story() -> None:
        async with AsyncClient(address) as manager:
            async for event in manager.follow("personas"):
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
                manager.create("personas", {"persona_id": name})
        follower = threading.Thread(target=following, args=(address, asynchronous, seen))
        follower.start()
        first = {seen.get(timeout=WAIT_S) for _ in range(3)}
        assert first == {("ADDED", "kept"), ("ADDED", "changed"), ("ADDED", "deleted")}
        running.stop(number)
    with start(tmp_path) as running:
        with Client(address) as manager:
            manager.delete("personas", "deleted")
            revision = manager.get("personas", "changed")["revision"]
            manager.replace("personas", "changed", {"persona_id": "changed", "mtu": 1400}, revision)
            manager.create("personas", {"persona_id": "end"})
        follower.join(WAIT_S)
    rest = [seen.get_nowait() for _ in range(seen.qsize())]
    assert sorted(rest) == [("ADDED", "end"), ("DELETED", "deleted"), ("MODIFIED", "changed")]
