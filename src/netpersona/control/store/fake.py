"""A store without a disk, for unit tests and for warming up imports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import repeat

from netpersona.control.store.protocol import SILENT, Compacted, Event, Operation, StoreClosed
from netpersona.control.store.tables import Tables


class FakeStore(Tables):
    """Keeps ``history_bound`` events; ``fail_with`` makes the next commits raise.

    Its revisions are as a cluster's: one for all changes of a commit, and some were taken by others.
    ``interfere`` is called once, before the next commit, to play another writer.
    """

    def __init__(self, history_bound: int = 1000) -> None:
        super().__init__()
        self._events: list[Event] = []
        self._history_bound = history_bound
        self._compacted = 0
        self._closed = False
        self.fail_with: Exception | None = None
        self.interfere: Callable[[], object] | None = None

    def write(self, operations: Sequence[Operation]) -> Sequence[Event]:
        if self._closed:
            raise StoreClosed("the store is closed")
        if self.fail_with:
            raise self.fail_with
        other, self.interfere = self.interfere, None
        if other is not None:
            other()
        events = self.resolve(operations)
        self._events += (event for event in events if event.record.kind not in SILENT)
        for event in self._events[: -self._history_bound]:
            self._compacted = event.revision
        self._events = self._events[-self._history_bound :]
        self.apply(events)
        return events

    async def commit(self, operations: Sequence[Operation]) -> Sequence[Event]:
        return self.write(operations)

    def coming(self) -> Iterator[int]:
        return repeat(self.revision + 1 + self.revision % 3)

    async def settled(self) -> None:
        if self.fail_with:
            raise self.fail_with

    def history(self, kind: str, from_revision: int) -> Sequence[Event]:
        if not self._compacted <= from_revision <= self.revision:
            raise Compacted(from_revision, self._compacted, self.revision)
        return [e for e in self._events if e.record.kind == kind and e.revision > from_revision]

    def close(self) -> None:
        self._closed = True
