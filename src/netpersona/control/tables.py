"""Records in memory: what a store answers reads from."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from itertools import islice

from netpersona.control.store import (
    Change,
    Event,
    EventType,
    Listener,
    Put,
    Record,
    RevisionConflict,
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

    def list(self, kind: str, *, after: str = "", limit: int | None = None) -> Sequence[Record]:
        records, keys = self._records.get(kind, {}), self._keys.get(kind, [])
        wanted = islice(keys, bisect_right(keys, after), None)
        return [records[key] for key in islice(wanted, limit)]

    def listen(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def load(self, record: Record) -> None:
        """Takes a record over without telling anyone."""
        records = self._records.setdefault(record.kind, {})
        if record.key not in records:
            insort(self._keys.setdefault(record.kind, []), record.key)
        records[record.key] = record

    def apply(self, events: Sequence[Event]) -> None:
        """Makes committed events visible, then tells the listeners, in order."""
        for event in events:
            if event.type is EventType.DELETED:
                self._drop(event.record)
            else:
                self.load(event.record)
            self.revision = event.revision
        for event in events:
            for listener in self._listeners:
                listener(event)

    def resolve(self, changes: Sequence[Change]) -> Sequence[Event]:
        """The events that ``changes`` amount to, each at its own next revision. Changes nothing.

        Deleting what is not there is no event. One commit changes a record at most once.

        Raises:
            RevisionConflict
        """
        events: list[Event] = []
        for change in changes:
            found = self.get(change.kind, change.key)
            at = found.revision if found else 0
            if change.expected_revision is not None and change.expected_revision != at:
                raise RevisionConflict(change, at)
            revision = self.revision + len(events) + 1
            if isinstance(change, Put):
                kind = EventType.MODIFIED if found else EventType.ADDED
                events.append(Event(kind, Record(change.kind, change.key, revision, change.value), found))
            elif found:
                events.append(
                    Event(EventType.DELETED, Record(change.kind, change.key, revision, found.value))
                )
        return events

    def _drop(self, record: Record) -> None:
        del self._records[record.kind][record.key]
        keys = self._keys[record.kind]
        keys.pop(bisect_right(keys, record.key) - 1)
