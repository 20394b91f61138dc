"""A store without a disk, for unit tests and for warming up imports."""

from __future__ import annotations

from collections.abc import Sequence

from netpersona.control.store import Change, Compacted, Event, StoreClosed
from netpersona.control.tables import Tables


class FakeStore(Tables):
    """Keeps ``history_bound`` events; ``fail_with`` makes the next commits raise."""

    def __init__(self, history_bound: int = 1000) -> None:
        super().__init__()
        self._events: list[Event] = []
        self._history_bound = history_bound
        self._compacted = 0
        self._closed = False
        self.fail_with: Exception | None = None

    def write(self, changes: Sequence[Change]) -> Sequence[Event]:
        if self._closed:
            raise StoreClosed("the store is closed")
        if self.fail_with:
            raise self.fail_with
        events = self.resolve(changes)
        self._events += events
        for event in self._events[: -self._history_bound]:
            self._compacted = event.revision
        self._events = self._events[-self._history_bound :]
        self.apply(events)
        return events

    async def commit(self, changes: Sequence[Change]) -> Sequence[Event]:
        return self.write(changes)

    async def settled(self) -> None:
        if self.fail_with:
            raise self.fail_with

    def history(self, kind: str, from_revision: int) -> Sequence[Event]:
        if not self._compacted <= from_revision <= self.revision:
            raise Compacted(from_revision, self._compacted, self.revision)
        return [e for e in self._events if e.record.kind == kind and e.revision > from_revision]

    def close(self) -> None:
        self._closed = True
