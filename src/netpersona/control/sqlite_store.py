"""The embedded store: SQLite in WAL mode, written by one thread.

``synchronous=FULL`` makes every commit wait for the disk, so what was acknowledged survives a kill -9
and a power cut. A lock file beside the database keeps a second manager away.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TextIO

from netpersona.control.store import Change, Compacted, Event, EventType, Record, StoreClosed, StoreError
from netpersona.control.tables import Tables

HISTORY_BOUND: Final = 10_000
"""Events kept for watches that resume; an older ``from_revision`` raises ``Compacted``."""
FORMAT_VERSION: Final = 1
_IDLE_S: Final = 0.5
_WAL_PAGES_BOUND: Final = 16_384

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records (
    kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE TABLE IF NOT EXISTS events (
    revision INTEGER PRIMARY KEY,
    type TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL
);
"""


class StoreUnusable(StoreError):
    """The file cannot serve: in use by another manager, or written by a newer release."""


class SqliteStore(Tables):
    """Reads come from memory; writes go through the writer thread and return when they are on disk."""

    def __init__(self, path: Path, *, history_bound: int = HISTORY_BOUND) -> None:
        """Opens or creates the file.

        Raises:
            StoreUnusable
        """
        super().__init__()
        self._history_bound = history_bound
        self._lock = _lock(path)
        self._reader, self._connection = _open(path), _open(path)
        self._compacted = self._load()
        self._turn = asyncio.Lock()
        self._writer = _Writer(self._connection)

    async def commit(self, changes: Sequence[Change]) -> Sequence[Event]:
        # A request that is cancelled must not leave memory behind what is on disk.
        return await asyncio.shield(asyncio.ensure_future(self._commit_in_turn(changes)))

    def history(self, kind: str, from_revision: int) -> Sequence[Event]:
        if not self._compacted <= from_revision <= self.revision:
            raise Compacted(from_revision, self._compacted, self.revision)
        rows = self._reader.execute(
            "SELECT type, key, revision, value FROM events"
            " WHERE kind = ? AND revision > ? AND revision <= ? ORDER BY revision",
            (kind, from_revision, self.revision),
        )
        return [Event(EventType(t), Record(kind, key, rev, json.loads(value))) for t, key, rev, value in rows]

    def close(self) -> None:
        if self._writer.open:
            self._writer.close()
            self._reader.close()
            self._connection.close()
            self._lock.close()

    async def _commit_in_turn(self, changes: Sequence[Change]) -> Sequence[Event]:
        async with self._turn:
            events = self.resolve(changes)
            if events:
                forget_to = self._compact(events)
                await self._writer.run(lambda: _write(self._connection, events, forget_to))
                self.apply(events)
            return events

    def _compact(self, events: Sequence[Event]) -> int:
        """The revision up to which the coming commit forgets; histories stop offering it at once."""
        oldest = events[-1].revision - self._history_bound
        overshoot = max(1, self._history_bound // 16)
        if oldest - self._compacted >= overshoot:
            self._compacted = oldest
        return self._compacted

    def _load(self) -> int:
        """Fills the tables; returns the revision up to which history is compacted.

        Revisions are dense in ``events`` and its newest row is never removed.
        """
        for kind, key, revision, value in self._reader.execute(
            "SELECT kind, key, revision, value FROM records"
        ):
            self.load(Record(kind, key, revision, json.loads(value)))
        oldest, newest = self._reader.execute("SELECT min(revision), max(revision) FROM events").fetchone()
        self.revision = newest or 0
        return oldest - 1 if oldest else 0


class _Writer:
    """The thread that owns the writing connection. Checkpoints when idle, so that no commit waits for one."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="store-writer", daemon=True)
        self._thread.start()
        self.open = True

    async def run(self, job: Callable[[], None]) -> None:
        """Runs ``job`` in the thread; raises what it raises."""
        if not self.open:
            raise StoreClosed("the store is closed; the manager is stopping")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()

        def finish(error: Exception | None) -> None:
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)

        def task() -> None:
            error: Exception | None = None
            try:
                job()
            except Exception as caught:
                error = caught
            loop.call_soon_threadsafe(finish, error)

        self._jobs.put(task)
        await done

    def close(self) -> None:
        self.open = False
        self._jobs.put(None)
        self._thread.join()

    def _work(self) -> None:
        dirty = False
        while True:
            try:
                job = self._jobs.get(timeout=_IDLE_S if dirty else None)
            except queue.Empty:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                dirty = False
                continue
            if job is None:
                return
            job()
            dirty = True


def _write(connection: sqlite3.Connection, events: Sequence[Event], forget_to: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for event in events:
            _write_event(connection, event)
        connection.execute("DELETE FROM events WHERE revision <= ?", (forget_to,))
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _write_event(connection: sqlite3.Connection, event: Event) -> None:
    record = event.record
    value = json.dumps(record.value, separators=(",", ":"), ensure_ascii=False)
    if event.type is EventType.DELETED:
        connection.execute("DELETE FROM records WHERE kind = ? AND key = ?", (record.kind, record.key))
    else:
        connection.execute(
            "INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)",
            (record.kind, record.key, record.revision, value),
        )
    connection.execute(
        "INSERT INTO events VALUES (?, ?, ?, ?, ?)",
        (record.revision, event.type.value, record.kind, record.key, value),
    )


def _lock(path: Path) -> TextIO:
    handle = path.with_name(path.name + ".lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        raise StoreUnusable(
            f"{path} is in use by another manager; stop it or choose another --state-dir"
        ) from None
    return handle


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES_BOUND}")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > FORMAT_VERSION:
            raise StoreUnusable(
                f"{path} has format {version}, this release knows {FORMAT_VERSION}; upgrade netpersona"
            )
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
    except StoreUnusable:
        connection.close()
        raise
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StoreUnusable(f"{path} is no database of ours ({error}); move it away") from error
    return connection
