"""The seam between the manager and whatever keeps its state.

    StoreError
    ├── RevisionConflict   the record is not at the revision that was expected
    ├── Compacted          events after that revision are no longer (or not yet) held
    └── StoreClosed

A store holds records under ``(kind, key)``. One revision counts up over all of them: every change takes
the next one. Reads answer from memory and never block. What was committed is seen at once by readers and
listeners; it may be acknowledged to a client when ``settled`` has returned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

ANY: int | None = None
"""``expected_revision``: whatever is there, or nothing."""
ABSENT = 0
"""``expected_revision``: the record must not exist."""


class EventType(StrEnum):
    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Record:
    """One stored value. ``value`` is JSON-able and must not be changed by who reads it."""

    kind: str
    key: str
    revision: int
    value: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Put:
    kind: str
    key: str
    value: Mapping[str, Any]
    expected_revision: int | None = ANY


@dataclass(frozen=True, slots=True)
class Delete:
    kind: str
    key: str
    expected_revision: int | None = ANY


Change = Put | Delete


@dataclass(frozen=True, slots=True)
class Event:
    """What a committed change did. For DELETED the record is the last value, at the deletion's revision.

    ``before`` is the record that a change replaced; history does not keep it.
    """

    type: EventType
    record: Record
    before: Record | None = field(default=None, compare=False)

    @property
    def revision(self) -> int:
        return self.record.revision


class StoreError(Exception):
    """Base of everything a store raises."""


class RevisionConflict(StoreError):
    """Nothing of the commit was stored."""

    def __init__(self, change: Change, found: int) -> None:
        super().__init__(
            f"{change.kind}/{change.key} is at revision {found}, not {change.expected_revision}; read again"
        )
        self.change, self.found = change, found


class Compacted(StoreError):
    """The history asked for is not held; list again and watch from there."""

    def __init__(self, asked: int, oldest: int, newest: int) -> None:
        super().__init__(f"revision {asked} is outside the history held, {oldest} to {newest}; list again")
        self.asked, self.oldest, self.newest = asked, oldest, newest


class StoreClosed(StoreError):
    """The manager is stopping."""


Listener = Callable[[Event], None]


class Store(Protocol):
    """Implemented by ``SqliteStore``, and by ``FakeStore`` for unit tests."""

    @property
    def revision(self) -> int:
        """The newest committed revision; 0 for an empty store."""

    def get(self, kind: str, key: str) -> Record | None: ...

    def list(self, kind: str, *, after: str = "", limit: int | None = None) -> Sequence[Record]:
        """Records in key order, those with ``key > after``."""

    def write(self, changes: Sequence[Change]) -> Sequence[Event]:
        """Do all changes or none, then tell the listeners. Survives the death of this process.

        Raises:
            RevisionConflict: a record is not at its ``expected_revision``.
            StoreClosed: after ``close``.
        """

    async def commit(self, changes: Sequence[Change]) -> Sequence[Event]:
        """``write``, and what the listeners woke comes before the caller. Raises as it does."""

    async def settled(self) -> None:
        """Returns when everything committed so far survives a power cut.

        Raises:
            StoreError: it may not.
        """

    def history(self, kind: str, from_revision: int) -> Sequence[Event]:
        """Every event of ``kind`` after ``from_revision``, in order, up to ``revision``.

        Raises:
            Compacted: some of them are no longer held, or the revision lies ahead of the store.
        """

    def listen(self, listener: Listener) -> None:
        """Calls ``listener`` in the event loop for every event, before its ``write`` returns.

        ``get``, ``list`` and ``history`` already show the event, so history followed by the listener's
        calls has no gap and no duplicate.
        """

    def close(self) -> None:
        """Settles what was committed; later commits raise ``StoreClosed``."""
