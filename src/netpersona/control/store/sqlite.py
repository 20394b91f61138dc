"""The embedded store: SQLite in WAL mode.

A commit has two steps. It is written in the event loop (about 40 us into the page cache, where it survives
a kill -9) and shown to readers and watchers at once. A thread then waits for the disk, and ``settled``
returns when that is done; nothing is acknowledged before. So an acknowledged write survives a power cut, as
under ``synchronous=FULL``, but an agent need not wait for the disk to switch a persona: on a busy 2-core
machine a commit under FULL took 0.15 to 1 ms and 9 ms at p99.

A watcher may have seen what a power cut then undoes. Revisions therefore skip ``RESTART_GAP`` at every start,
so that none is ever given twice, and whoever watches from a lost one still gets all that follows.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TextIO

from pydantic_core import to_json

from netpersona.control.store.disk_sync import DiskSync
from netpersona.control.store.migration import migrate
from netpersona.control.store.protocol import (
    DERIVED,
    SILENT,
    Compacted,
    Event,
    EventType,
    Operation,
    Record,
    StoreClosed,
    StoreError,
)
from netpersona.control.store.tables import Tables

HISTORY_BOUND: Final = 10_000
"""Events kept for watches that resume; an older ``from_revision`` raises ``Compacted``."""
RESTART_GAP: Final = 1_000
"""Revisions skipped at a start; more than are ever on their way to the disk."""
FORMAT_VERSION: Final = 3
_DAMAGED_REMEDY: Final = "put a backup in its place, or move it away to start with an empty store"

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS records (
    kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (kind, key)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    revision INTEGER PRIMARY KEY,
    type TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL
);
"""


class StoreUnusable(StoreError):
    """The file cannot serve: in use by another manager, written by a newer release, or the disk is full."""


class SqliteStore(Tables):
    """Reads come from memory. Belongs to one event loop."""

    def __init__(self, path: Path, *, history_bound: int = HISTORY_BOUND) -> None:
        """Opens or creates the file.

        Raises:
            StoreUnusable
        """
        super().__init__()
        self._history_bound = history_bound
        self._since_compaction = 0
        self._lock = _lock(path)
        try:
            self._connection = _open(path)
        except BaseException:
            self._lock.close()
            raise
        self._cursor = self._connection.cursor()
        self._compacted = self._read(path)
        self._skip(path)
        self._disk = DiskSync(path, lambda: _open(path))
        self._open = True

    def write(self, operations: Sequence[Operation]) -> Sequence[Event]:
        if not self._open:
            raise StoreClosed("the store is closed; the manager is stopping")
        self._disk.check()
        events = self.resolve(operations)
        if events:
            _write(self._cursor, events, self._forget_to(len(events)))
            self._disk.want(asyncio.get_running_loop())
            self.apply(events)
        return events

    async def commit(self, operations: Sequence[Operation]) -> Sequence[Event]:
        events = self.write(operations)
        await asyncio.sleep(0)  # an agent waits for its event, a client for the disk
        return events

    async def settled(self) -> None:
        await self._disk.settled()

    def history(self, kind: str, from_revision: int) -> Sequence[Event]:
        if not self._compacted <= from_revision <= self.revision:
            raise Compacted(from_revision, self._compacted, self.revision)
        rows = self._connection.execute(
            "SELECT type, key, revision, value FROM events WHERE kind = ? AND revision > ? ORDER BY revision",
            (kind, from_revision),
        )
        return [Event(EventType(t), Record(kind, key, rev, json.loads(value))) for t, key, rev, value in rows]

    def close(self) -> None:
        if self._open:
            self._open = False
            self._disk.close()
            self._connection.close()
            self._lock.close()

    def _forget_to(self, added: int) -> int | None:
        """The revision up to which a commit of ``added`` events forgets, if any: in strides, to be rare."""
        self._since_compaction += added
        if self._since_compaction <= self._history_bound // 16:
            return None
        self._since_compaction = 0
        (oldest,) = self._connection.execute(
            "SELECT ifnull((SELECT revision FROM events ORDER BY revision DESC LIMIT 1 OFFSET ?), 0)",
            (self._history_bound - 1,),
        ).fetchone()
        self._compacted = max(self._compacted, oldest)
        return self._compacted

    def _read(self, path: Path) -> int:
        try:
            (verdict,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict.splitlines()[-1])
            migrate(self._connection, FORMAT_VERSION)
            return self._load()
        except (sqlite3.DatabaseError, ValueError) as error:
            self._connection.close()
            self._lock.close()
            raise StoreUnusable(f"{path} is damaged ({error}); {_DAMAGED_REMEDY}") from error

    def _load(self) -> int:
        """Fills the tables; returns the revision up to which history is compacted."""
        rows = self._connection.execute("SELECT kind, key, revision, value FROM records")
        for kind, key, revision, value in rows:
            self.load(Record(kind, key, revision, json.loads(value)))
        oldest, newest = self._connection.execute(
            "SELECT min(revision), max(revision) FROM events"
        ).fetchone()
        (highest,) = self._connection.execute("SELECT max(revision) FROM records").fetchone()
        self.revision = max(newest or 0, highest or 0)
        return oldest - 1 if oldest else 0

    def _skip(self, path: Path) -> None:
        if not self.revision:
            return
        self.revision += RESTART_GAP
        try:
            self._connection.execute(
                "INSERT INTO events VALUES (?, 'START', '', '', 'null')", (self.revision,)
            )
        except sqlite3.OperationalError as error:
            self._connection.close()
            self._lock.close()
            raise _unwritable(path, error) from error


def _write(cursor: sqlite3.Cursor, events: Sequence[Event], forget_to: int | None) -> None:
    cursor.execute("BEGIN IMMEDIATE")
    try:
        for event in events:
            if event.record.kind not in DERIVED:
                _keep(cursor, event)
        if all(event.record.kind in DERIVED for event in events):
            # Its revision must not be given again either.
            cursor.execute(_TELL, (events[-1].revision, "DERIVED", "", "", "null"))
        if forget_to is not None:
            cursor.execute("DELETE FROM events WHERE revision <= ?", (forget_to,))
        cursor.execute("COMMIT")
    except BaseException:
        if cursor.connection.in_transaction:
            cursor.execute("ROLLBACK")
        raise


# Replacing by REPLACE would write the index anew, too: another page of the log.
_PUT: Final = """
INSERT INTO records VALUES (?, ?, ?, ?)
ON CONFLICT (kind, key) DO UPDATE SET revision = excluded.revision, value = excluded.value
"""
_TELL: Final = "INSERT INTO events VALUES (?, ?, ?, ?, ?)"


def _keep(cursor: sqlite3.Cursor, event: Event) -> None:
    record = event.record
    value = to_json(record.value).decode()
    if event.type is EventType.DELETED:
        cursor.execute("DELETE FROM records WHERE kind = ? AND key = ?", (record.kind, record.key))
    else:
        cursor.execute(_PUT, (record.kind, record.key, record.revision, value))
    if record.kind not in SILENT:
        cursor.execute(_TELL, (record.revision, event.type.value, record.kind, record.key, value))


def _lock(path: Path) -> TextIO:
    handle = path.with_name(path.name + ".lock").open("w")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        handle.close()
        remedy = "stop it or choose another --state-dir"
        raise StoreUnusable(f"{path} is in use by another manager; {remedy}") from None
    return handle


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path)
    except sqlite3.OperationalError as error:
        connection.close()
        raise _unwritable(path, error) from error
    except sqlite3.DatabaseError as error:
        connection.close()
        raise StoreUnusable(f"{path} is no database of ours ({error}); move it away") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _unwritable(path: Path, error: sqlite3.OperationalError) -> StoreUnusable:
    return StoreUnusable(f"{path} cannot be written ({error}); see to the disk, then start the manager again")


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # DiskSync does what FULL would do
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # and the checkpoints
    connection.execute("PRAGMA journal_size_limit = 0")  # the commit after one cuts the log
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > FORMAT_VERSION:
        known = f"has format {version}, this release knows {FORMAT_VERSION}"
        raise StoreUnusable(f"{path} {known}; upgrade netpersona")
    connection.executescript(_SCHEMA)
    if version == 0:
        connection.execute(f"PRAGMA user_version = {FORMAT_VERSION}")
