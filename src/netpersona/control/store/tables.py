"""Records in memory: what a store answers reads from."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice

from netpersona.control.store.protocol import (
    OPERATIONS_BOUND,
    SILENT,
    CommitTooLarge,
    Delete,
    Event,
    EventType,
    Listener,
    NotVacant,
    Operation,
    Put,
    Record,
    RevisionConflict,
    Vacant,
)


class Tables:
    """Committed records by kind and key, the newest revision, and who listens to changes."""

    def __init__(self) -> None:
        self.revision = 0
        self._records: dict[str, dict[str, Record]] = {}
        self._keys: dict[str, list[str]] = {}
        self._listeners: list[Listener] = []

    def get(self, kind: str, key: str) -> Record | None:
        return self._records.get(kind, {}).get(key)

    def list(
        self, kind: str, *, prefix: str = "", after: str = "", limit: int | None = None
    ) -> Sequence[Record]:
        records, keys = self._records.get(kind, {}), self._keys.get(kind, [])
        if not prefix and not after and limit is None:
            return [records[key] for key in keys]
        start = max(bisect_left(keys, prefix), bisect_right(keys, after))
        end = bisect_left(keys, _beyond(prefix), start) if prefix else len(keys)
        return [
            records[key] for key in islice(keys, start, end if limit is None else min(end, start + limit))
        ]

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def load(self, record: Record) -> None:
        """Takes a record over without telling anyone."""
        records = self._records.setdefault(record.kind, {})
        if record.key not in records:
            insort(self._keys.setdefault(record.kind, []), record.key)
        records[record.key] = record

    def derive(self, kind: str, keys: Iterable[str]) -> None:
        for key in keys:
            if self.get(kind, key) is None:
                self.load(Record(kind, key, max(self.revision, 1), {}))

    def apply(self, events: Sequence[Event]) -> None:
        """Makes committed events visible, then tells the listeners, in order."""
        for event in events:
            if event.type is EventType.DELETED:
                self._drop(event.record)
            else:
                self.load(event.record)
            self.revision = event.revision
        for event in events:
            if event.record.kind not in SILENT:
                for listener in self._listeners:
                    listener(event)

    def resolve(self, operations: Sequence[Operation]) -> Sequence[Event]:
        """The events that ``operations`` amount to. Changes nothing.

        Raises:
            CommitConflict, CommitTooLarge
        """
        if len(operations) > OPERATIONS_BOUND:
            raise CommitTooLarge(len(operations))
        for operation in operations:
            self._check(operation)
        revisions = self.coming()
        changes = (operation for operation in operations if isinstance(operation, Put | Delete))
        events = (self._event(change, revisions) for change in changes)
        return [event for event in events if event is not None]

    def coming(self) -> Iterator[int]:
        """Revisions for the changes of the next commit."""
        return count(self.revision + 1)

    def _check(self, operation: Operation) -> None:
        if isinstance(operation, Vacant):
            keys = self._keys.get(operation.kind, [])
            at = bisect_left(keys, operation.prefix)
            if at < len(keys) and keys[at].startswith(operation.prefix):
                raise NotVacant(operation, keys[at])
        elif operation.expected_revision is not None:
            found = self.get(operation.kind, operation.key)
            if operation.expected_revision != (found.revision if found else 0):
                raise RevisionConflict(operation, found.revision if found else 0)

    def _event(self, change: Put | Delete, revisions: Iterator[int]) -> Event | None:
        found = self.get(change.kind, change.key)
        if isinstance(change, Put):
            kind = EventType.MODIFIED if found else EventType.ADDED
            return Event(kind, Record(change.kind, change.key, next(revisions), change.value), found)
        if found is None:
            return None
        return Event(EventType.DELETED, Record(change.kind, change.key, next(revisions), found.value))

    def _drop(self, record: Record) -> None:
        del self._records[record.kind][record.key]
        keys = self._keys[record.kind]
        keys.pop(bisect_right(keys, record.key) - 1)


def _beyond(prefix: str) -> str:
    """The first text above all that start so."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
