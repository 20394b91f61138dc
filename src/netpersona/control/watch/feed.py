"""What watchers are told: every change of the store and every status."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from heapq import merge
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import to_json

from netpersona.control.problems import Gone
from netpersona.control.store.protocol import Compacted, Event, Store
from netpersona.control.watch.hub import Hub, Subscription

Json = Mapping[str, Any]
_SHORT: Final = 4 << 10


def dumps(value: Any) -> bytes:
    """Compact JSON; ``value`` holds no NaN. Takes a sixth of what the standard library does."""
    return to_json(value)


class Message:
    """One event of a watch. ``documents``, by digest, are those that its reader must have been told before.

    It is written when it is sent, and only a short one is kept for the next reader: hundreds that wait hold
    one document together.
    """

    __slots__ = ("_body", "_object", "documents", "revision", "type")

    def __init__(
        self,
        type_: str,
        revision: int,
        object_: Callable[[], Json | BaseModel],
        documents: Mapping[str, Json] | None = None,
    ) -> None:
        self.type, self.revision, self.documents = type_, revision, documents or {}
        self._object = object_
        self._body: bytes | None = None

    @property
    def body(self) -> bytes:
        """The whole JSON object, without a newline."""
        if self._body is not None:
            return self._body
        body = dumps({"type": self.type, "revision": self.revision, "object": self._object()})
        if len(body) <= _SHORT:
            self._body = body
        return body


Told = tuple[str, Callable[[], Message]]
"""A part of a topic ("" is that of one without parts), and what it is told if anybody listens there."""


def nothing(_: str) -> Iterable[Message]:
    return ()


@dataclass(frozen=True, slots=True)
class Source:
    """What a topic tells of one kind of records.

    ``present`` gives what is there in a part when a watch begins; ``after`` what is told of behind the
    BOOKMARK. ``latest``: of a record that changed several times, history need tell the last change alone.
    """

    kind: str
    told: Callable[[Event], Iterable[Told]]
    present: Callable[[str], Iterable[Message]] = nothing
    after: Callable[[str], Iterable[Message]] = nothing
    latest: bool = False


class Feed:
    """Topics and their watchers. Everything happens in the event loop, in the order of revisions."""

    def __init__(self, store: Store, topics: Mapping[str, tuple[Source, ...]]) -> None:
        self._store = store
        self._topics = topics
        self._by_kind: dict[str, list[tuple[str, Source]]] = {}
        for topic, sources in topics.items():
            for source in sources:
                self._by_kind.setdefault(source.kind, []).append((topic, source))
        self._hub: Hub[Message] = Hub()
        store.listen(self._on_event)

    def watch(self, topic: str, from_revision: int | None, part: str = "") -> Subscription[Message]:
        """All of ``topic`` after ``from_revision``; ``None``: what is there as ADDED, a BOOKMARK, then all.

        A ``part`` of a topic is told of what leaves it, too; history does not know that, so a part is
        watched from what is there.

        Raises:
            Gone: that revision is no longer held.
        """
        if from_revision is None:
            return self._hub.subscribe(topic + part, self._present(topic, part))
        try:
            return self._hub.subscribe(topic + part, self._past(topic, from_revision))
        except Compacted as error:
            raise Gone(str(error), remedy="watch without revision to start from what is there now") from error

    def tell(self, topic: str, type_: str, object_: Callable[[], Json]) -> None:
        """An event that no revision stands for; a watch that resumes does not repeat it."""
        if self._hub.count(topic):
            self._hub.publish(topic, Message(type_, self._store.revision, object_))

    def bookmark(self) -> Message:
        return Message("BOOKMARK", self._store.revision, dict)

    def watchers(self, topic: str) -> int:
        """Of a topic, or of all parts of one whose name ends with a slash."""
        return self._hub.count_all(topic) if topic.endswith("/") else self._hub.count(topic)

    def close(self) -> None:
        """Ends every watch."""
        self._hub.close()

    def _on_event(self, event: Event) -> None:
        for topic, source in self._by_kind.get(event.record.kind, ()):
            if not topic.endswith("/") and not self._hub.count(topic):
                continue
            for part, make in source.told(event):
                if self._hub.count(topic + part):
                    self._hub.publish(topic + part, make())

    def _present(self, topic: str, part: str) -> Iterable[Message]:
        sources = self._topics[topic]
        for source in sources:
            yield from source.present(part)
        yield self.bookmark()
        for source in sources:
            yield from source.after(part)

    def _past(self, topic: str, from_revision: int) -> list[Message]:
        histories = [self._history(source, from_revision) for source in self._topics[topic]]
        return [told for _, told in merge(*histories, key=lambda pair: pair[0])]

    def _history(self, source: Source, from_revision: int) -> list[tuple[int, Message]]:
        events = self._store.history(source.kind, from_revision)
        if source.latest:
            events = list({event.record.key: event for event in events}.values())
        events = sorted(events, key=lambda event: event.revision)
        return [(event.revision, make()) for event in events for _, make in source.told(event)]
