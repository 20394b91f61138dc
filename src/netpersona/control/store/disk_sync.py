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

import structlog

from netpersona.control.store.protocol import StoreError

CHECKPOINT_BYTES: Final = 4 << 20
"""Size of the log at which it is copied into the database in the next idle moment."""
CHECKPOINT_BYTES_BOUND: Final = 64 << 20
"""Size at which it is copied even though the store is busy."""
RETRY_S: Final = 1.0
"""How often the disk is tried again after it refused something."""
_IDLE_S: Final = 0.2

_Request = tuple[int, asyncio.AbstractEventLoop]
_log = structlog.get_logger(__name__)


class DiskFailed(StoreError):
    """The disk refused a sync. What was not yet acknowledged may be lost; nothing is taken until it works."""


class DiskSync:
    """One thread that syncs the write-ahead log; one sync settles everything written before it.

    Syncing the log after a commit is what SQLite does under ``synchronous=FULL`` (src/wal.c,
    sqlite3WalFrames), so durability is the same. The thread outlives whatever the disk refuses,
    and tries again.
    """

    def __init__(self, path: Path, open_database: Callable[[], sqlite3.Connection]) -> None:
        self._connection = open_database()
        # The log keeps its inode as long as a connection is open.
        self._log = os.open(path.with_name(path.name + "-wal"), os.O_RDWR)
        _sync_directory(path.parent)
        os.fdatasync(self._log)
        self._requests: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._written = self._synced = 0
        self._due: _Request | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._failure: Exception | None = None
        self._behind: _Request | None = None
        self._complaint = ""
        self._thread = threading.Thread(target=self._work, name="disk-sync", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises DiskFailed while the disk refuses to sync."""
        if self._failure is not None:
            remedy = f"see to it; it is tried again every {RETRY_S:g} s"
            raise DiskFailed(f"the disk failed ({self._failure}); {remedy}")

    def want(self, loop: asyncio.AbstractEventLoop) -> None:
        """What was just written shall be synced, once the loop has come round: watchers are told first."""
        self._written += 1
        self._due = (self._written, loop)
        loop.call_soon(self._ask)

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

    def close(self) -> None:
        """Syncs what is left."""
        self._ask()
        self._requests.put(None)
        self._thread.join()
        os.close(self._log)
        self._connection.close()

    def _ask(self) -> None:
        due, self._due = self._due, None
        if due is not None:
            self._requests.put(due)

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

    def _next(self) -> _Request | None:
        """The next request, or again the one that failed. A log that grew is copied before it."""
        if self._behind is not None:
            try:
                return self._requests.get(timeout=RETRY_S)
            except queue.Empty:
                return self._behind
        size = os.fstat(self._log).st_size
        idle_s = self._checkpoint() if size >= CHECKPOINT_BYTES_BOUND else _IDLE_S
        patience_s = idle_s if size >= CHECKPOINT_BYTES else None
        while True:
            try:
                return self._requests.get(timeout=patience_s)
            except queue.Empty:
                patience_s = self._checkpoint()

    def _checkpoint(self) -> float | None:
        """Copies the log into the database.

        Returns after how many seconds to try again where the disk refuses (it is full); the log grows on.
        """
        try:
            # PASSIVE waits for nobody and keeps nobody waiting; the next commit starts the log over.
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            self._complain("cannot copy the log into the database; trying again", error)
            return RETRY_S
        self._complaint = ""
        return None

    def _sync(self, latest: int, loop: asyncio.AbstractEventLoop) -> None:
        failure: Exception | None = None
        try:
            if self._behind is None:
                os.fdatasync(self._log)
            else:
                self._rescue()
            self._behind = None
        except (OSError, sqlite3.Error) as error:
            self._behind, failure = (latest, loop), error
            self._complain("cannot sync; nothing is taken until that works", error)
        try:
            loop.call_soon_threadsafe(self._done, latest, failure)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    def _rescue(self) -> None:
        """Brings to disk what a failed sync may have dropped: a second sync of the same pages proves nothing.

        SQLite copies the log, as it is in memory, into the database and syncs that; then the log starts over.
        """
        (busy, *_) = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        (verdict,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if busy or verdict != "ok":
            raise sqlite3.OperationalError(
                "the log is busy" if busy else f"the database is damaged: {verdict}"
            )
        os.fdatasync(self._log)
        _log.info("the disk works again")
        self._complaint = ""

    def _complain(self, what: str, error: Exception) -> None:
        """Once for each new complaint: it is repeated every second."""
        if self._complaint != str(error):
            self._complaint = str(error)
            _log.error(what, error=str(error))

    def _done(self, latest: int, failure: Exception | None) -> None:
        self._failure = failure
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
