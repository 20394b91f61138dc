from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from netpersona.control.disk_sync import DiskFailed
from netpersona.control.sqlite_store import SqliteStore
from netpersona.control.store import Put


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


def test_a_disk_that_fails_acknowledges_nothing_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "I/O error")

    async def story() -> None:
        store = SqliteStore(tmp_path / "db")
        monkeypatch.setattr(os, "fdatasync", fail)
        await store.commit([Put("k", "a", {})])
        with pytest.raises(DiskFailed, match="restart the manager"):
            await store.settled()
        with pytest.raises(DiskFailed):
            await store.commit([Put("k", "b", {})])
        store.close()

    asyncio.run(story())
