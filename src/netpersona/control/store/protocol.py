"""The seam between the manager and whatever keeps its state, an embedded file or a cluster.

    StoreError
    ├── CommitConflict
    │   ├── RevisionConflict   a record is not at the revision that was expected
    │   └── NotVacant          there is a record below a prefix that was expected to be empty
    ├── CommitTooLarge         more operations than a commit may have
    ├── Compacted              events after that revision are no longer (or not yet) held
    └── StoreClosed

A store holds records under ``(kind, key)``. Every commit takes a revision that is higher than all before;
nothing else can be told of it, least of all what the next one will be. Reads answer from memory and never
block. What was committed is seen at once by readers and listeners; it may be acknowledged to a client when
``settled`` has returned.

There may be other writers. So whoever reads and then writes says in the commit what it has relied on: the
revision of a record (``Put``, ``Delete``, ``Check``), or that there is nothing below a prefix (``Vacant``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

ANY: int | None = None
"""``expected_revision``: whatever is there, or nothing."""
ABSENT = 0
"""``expected_revision``: the record must not exist."""
REFERENCES = "references"
DOCUMENTS = "documents"
ARCHIVE = "archive"
SILENT = frozenset({REFERENCES, DOCUMENTS, ARCHIVE})
"""Kinds that nobody listens to: who refers to whom, documents by content, older revisions."""
DERIVED = frozenset({REFERENCES})
"""Kinds that follow from others: a store in this process keeps them in memory (``LocalStore.derive``)."""
OPERATIONS_BOUND = 128
"""Operations of a commit, checks included: what etcd takes by default (--max-txn-ops)."""


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


@dataclass(frozen=True, slots=True)
class Check:
    """Changes nothing: the record must be at this revision, or ``ABSENT``."""

    kind: str
    key: str
    expected_revision: int


@dataclass(frozen=True, slots=True)
class Vacant:
    """Changes nothing: before the commit there must be no record of ``kind`` whose key starts so."""

    kind: str
    prefix: str


Operation = Put | Delete | Check | Vacant


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


class CommitConflict(StoreError):
    """Nothing of the commit was stored: what it relied on is not so. Read again, then try again."""


class RevisionConflict(CommitConflict):
    def __init__(self, asked: Put | Delete | Check, found: int) -> None:
        wanted = asked.expected_revision
        super().__init__(f"{asked.kind}/{asked.key} is at revision {found}, not {wanted}; read again")


class NotVacant(CommitConflict):
    def __init__(self, asked: Vacant, found: str) -> None:
        super().__init__(f"there is {asked.kind}/{found}; read again")


class CommitTooLarge(StoreError):
    """Nothing of the commit was stored. A mistake of ours: every commit is bounded by who makes it."""

    def __init__(self, operations: int) -> None:
        super().__init__(f"{operations} operations in one commit; {OPERATIONS_BOUND} is the bound")


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
        """Of the newest commit; 0 for an empty store."""

    def get(self, kind: str, key: str) -> Record | None: ...

    def list(
        self, kind: str, *, prefix: str = "", after: str = "", limit: int | None = None
    ) -> Sequence[Record]:
        """Records in key order, those whose key starts with ``prefix`` and is above ``after``."""

    async def commit(self, operations: Sequence[Operation]) -> Sequence[Event]:
        """Do all changes or none, then tell the listeners. Survives the death of this process.

        Returns what the changes did, in their order, and so without checks. One commit changes a record at
        most once; deleting what is not there is no event.

        Raises:
            CommitConflict: what an operation expects is not so.
            CommitTooLarge: there are more than ``OPERATIONS_BOUND``.
            StoreClosed: after ``close``.
        """

    async def settled(self) -> None:
        """Returns when everything committed so far survives a power cut.

        Raises:
            StoreError: it may not.
        """

    def history(self, kind: str, from_revision: int) -> Sequence[Event]:
        """Every event of ``kind`` after ``from_revision``, in order, up to ``revision``.

        ``SILENT`` kinds have no history.

        Raises:
            Compacted: some of them are no longer held, or the revision lies ahead of the store.
        """

    def listen(self, listener: Listener) -> None:
        """Calls ``listener`` in the event loop for every event not ``SILENT``, before its commit returns.

        ``get``, ``list`` and ``history`` already show the event, so history followed by the listener's
        calls has no gap and no duplicate.
        """

    def close(self) -> None:
        """Settles what was committed; later commits raise ``StoreClosed``."""


@runtime_checkable
class LocalStore(Store, Protocol):
    """A store in this process, which need not wait for anybody."""

    def write(self, operations: Sequence[Operation]) -> Sequence[Event]:
        """``commit`` without letting anybody else come first. Raises as it does."""

    def derive(self, kind: str, keys: Iterable[str]) -> None:
        """Takes records of a ``DERIVED`` kind, with no value, at a start. No commit, and no event."""
