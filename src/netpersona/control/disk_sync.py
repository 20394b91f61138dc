"""Waiting for the disk, beside the event loop."""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from netpersona.control.store import StoreError

CHECKPOINT_BYTES: Final = 4 << 20
"""Size of the log at which it is copied into the database in the next idle moment."""
CHECKPOINT_BYTES_BOUND: Final = 64 << 20
"""Size at which it is copied even though the store is busy."""
_IDLE_S: Final = 0.2


class DiskFailed(StoreError):
    """The disk refused a write. What was not yet acknowledged may be lost; restart the manager."""


class DiskSync:
    """One thread that syncs the write-ahead log; one sync settles everything written before it.

    Syncing the log after a commit is what SQLite does under ``synchronous=FULL`` (src/wal.c,
    sqlite3WalFrames), so durability is the same.
    """

    def __init__(self, path: Path, open_database: Callable[[], sqlite3.Connection]) -> None:
        self._connection = open_database()
        # The log keeps its inode as long as a connection is open.
        self._log = os.open(path.with_name(path.name + "-wal"), os.O_RDWR)
        _sync_directory(path.parent)
        os.fdatasync(self._log)
        self._requests: queue.SimpleQueue[tuple[int, asyncio.AbstractEventLoop] | None] = queue.SimpleQueue()
        self._written = self._synced = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._failure: OSError | None = None
        self._thread = threading.Thread(target=self._work, name="disk-sync", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises DiskFailed if the disk has refused a write before."""
        if self._failure is not None:
            raise DiskFailed(f"the disk failed ({self._failure}); see to it and restart the manager")

    def want(self, loop: asyncio.AbstractEventLoop) -> None:
        """What was just written shall be synced."""
        self._written += 1
        self._requests.put((self._written, loop))

    async def settled(self) -> None:
        """Returns when everything written so far is on disk.

        Raises:
            DiskFailed
        """
        target = self._written
        while self._synced < target:
            self.check()
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            await future
        self.check()

    def close(self) -> None:
        """Syncs what is left."""
        self._requests.put(None)
        self._thread.join()
        os.close(self._log)
        self._connection.close()

    def _work(self) -> None:
        while (request := self._next()) is not None:
            latest, loop = request
            while not self._requests.empty():
                more = self._requests.get()
                if more is None:
                    self._sync(latest, loop)
                    return
                latest, loop = more
            self._sync(latest, loop)

    def _next(self) -> tuple[int, asyncio.AbstractEventLoop] | None:
        size = os.fstat(self._log).st_size
        if size < CHECKPOINT_BYTES:
            return self._requests.get()
        if size < CHECKPOINT_BYTES_BOUND:
            try:
                return self._requests.get(timeout=_IDLE_S)
            except queue.Empty:
                pass
        # PASSIVE waits for nobody and keeps nobody waiting; the next commit starts the log over.
        self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return self._requests.get()

    def _sync(self, latest: int, loop: asyncio.AbstractEventLoop) -> None:
        failure: OSError | None = None
        try:
            os.fdatasync(self._log)
        except OSError as error:
            failure = error
        try:
            loop.call_soon_threadsafe(self._done, latest, failure)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _done(self, latest: int, failure: OSError | None) -> None:
        self._failure = self._failure or failure
        if failure is None:
            self._synced = latest
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
