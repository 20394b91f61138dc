from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from netpersona.control.store import disk_sync
from netpersona.control.store.disk_sync import DiskFailed
from netpersona.control.store.protocol import Put
from netpersona.control.store.sqlite import SqliteStore


def test_one_sync_settles_all_that_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held, calls = threading.Event(), []

    def slow(_descriptor: int) -> None:
        calls.append(held.wait(10))

    async def story() -> None:
        store = SqliteStore(tmp_path / "db")
        monkeypatch.setattr(os, "fdatasync", slow)
        await store.commit([Put("k", "first", {})])
        waiting = asyncio.create_task(store.settled())
        await asyncio.sleep(0)
        for number in range(20):
            await store.commit([Put("k", str(number), {})])
        assert not waiting.done()
        assert len(store.list("k")) == 21
        held.set()
        await store.settled()
        assert waiting.done()
        assert len(calls) <= 3
        store.close()

    asyncio.run(story())


def test_what_was_written_in_this_turn_of_the_loop_is_not_settled_and_closing_syncs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    async def story() -> None:
        store = SqliteStore(tmp_path / "db")
        monkeypatch.setattr(os, "fdatasync", calls.append)
        store.write([Put("k", "a", {})])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await store.settled()
        store.write([Put("k", "b", {})])
        calls.clear()
        store.close()
        assert calls

    asyncio.run(story())


def _refuse(*_arguments: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_sync, "RETRY_S", 0.01)
    monkeypatch.setattr(disk_sync, "_IDLE_S", 0.01)


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError


async def _until_it_works(store: SqliteStore) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await store.commit([Put("k", "after", {})])
                return await store.settled()
            except DiskFailed:
                await asyncio.sleep(0.01)


@pytest.mark.usefixtures("impatient")
def test_while_a_sync_fails_nothing_is_acknowledged_and_then_all_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        store = SqliteStore(tmp_path / "db")
        monkeypatch.setattr(os, "fdatasync", _refuse)
        await store.commit([Put("k", "a", {})])
        with pytest.raises(DiskFailed, match="No space left"):
            await store.settled()
        with pytest.raises(DiskFailed, match="tried again"):
            await store.commit([Put("k", "b", {})])
        monkeypatch.undo()
        await _until_it_works(store)
        store.close()

    asyncio.run(story())
    with sqlite3.connect(tmp_path / "db") as database:
        assert database.execute("SELECT key FROM records ORDER BY key").fetchall() == [("a",), ("after",)]


@pytest.mark.usefixtures("impatient")
def test_what_a_failed_sync_may_have_dropped_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database alone has it, as if the log's pages were lost to a power cut."""

    async def story() -> None:
        store = SqliteStore(tmp_path / "db")
        with monkeypatch.context() as failing:
            failing.setattr(os, "fdatasync", _refuse)
            await store.commit([Put("k", "a", {})])
            with pytest.raises(DiskFailed):
                await store.settled()
        await _until(lambda: (tmp_path / "db-wal").stat().st_size == 0)
        (tmp_path / "copy").write_bytes((tmp_path / "db").read_bytes())
        store.close()

    asyncio.run(story())
    with sqlite3.connect(tmp_path / "copy") as database:
        assert database.execute("SELECT key FROM records").fetchall() == [("a",)]


class _Refusing:
    """A connection whose checkpoints fail while `full`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.full = True
        self.asked = 0

    def execute(self, statement: str) -> sqlite3.Cursor:
        self.asked += "checkpoint" in statement
        if self.full and "checkpoint" in statement:
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(statement)

    def close(self) -> None:
        self._connection.close()


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("bound", ["CHECKPOINT_BYTES", "CHECKPOINT_BYTES_BOUND"])
def test_a_checkpoint_that_fails_is_tried_again_and_stops_no_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(disk_sync, "CHECKPOINT_BYTES", 1)
    monkeypatch.setattr(disk_sync, bound, 1)

    async def story() -> None:
        store = SqliteStore(tmp_path / "db")
        refusing = _Refusing(store._disk._connection)
        store._disk._connection = refusing  # type: ignore[assignment]
        async with asyncio.timeout(10):
            for number in range(5):
                await store.commit([Put("k", str(number), {})])
                await store.settled()
            await _until(lambda: refusing.asked >= 3)
            refusing.full = False
            await _until_it_works(store)
        store.close()

    asyncio.run(story())
