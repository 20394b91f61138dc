"""What watchers are told: every change of the store and every status, each serialised once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from heapq import merge
from typing import Any

from netpersona.control.hub import Hub, Subscription
from netpersona.control.problems import Gone
from netpersona.control.store import Compacted, Event, EventType, Record, Store

Render = Callable[[Record], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Message:
    """One event of a watch. ``body`` is the whole JSON object, without a newline."""

    type: str
    revision: int
    body: bytes


def everything(_: Record) -> str:
    """The ``part`` of a source whose topic is not divided."""
    return ""


@dataclass(frozen=True, slots=True)
class Source:
    """A kind of records that a topic shows; ``part`` names the part of the topic that a record belongs to.

    With ``type`` that replaces ADDED and MODIFIED, deletions are silent, and a new watch is told what
    ``present`` gives, after the BOOKMARK.
    """

    kind: str
    render: Render
    type: str | None = None
    present: Callable[[], Iterable[Record]] = tuple
    part: Callable[[Record], str] = everything

    def message(self, event: Event) -> Message | None:
        if self.type is None:
            return message(event.type, event.revision, self.render(event.record))
        if event.type is EventType.DELETED:
            return None
        return message(self.type, event.revision, self.render(event.record))


def message(type_: str, revision: int, resource: Mapping[str, Any]) -> Message:
    return Message(type_, revision, dumps({"type": type_, "revision": revision, "object": resource}))


_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def dumps(value: Any) -> bytes:
    """Compact JSON; ``value`` holds no NaN."""
    return _encode(value).encode()


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

    def tell(self, topic: str, type_: str, resource: Callable[[], Mapping[str, Any]]) -> None:
        """An event that no revision stands for; a watch that resumes does not repeat it."""
        if self._hub.count(topic):
            self._hub.publish(topic, message(type_, self._store.revision, resource()))

    def bookmark(self) -> Message:
        return message("BOOKMARK", self._store.revision, {})

    def watchers(self, topic: str) -> int:
        """Of a topic, or of all parts of one whose name ends with a slash."""
        return self._hub.count_all(topic) if topic.endswith("/") else self._hub.count(topic)

    def close(self) -> None:
        """Ends every watch."""
        self._hub.close()

    def _on_event(self, event: Event) -> None:
        for topic, source in self._by_kind.get(event.record.kind, ()):
            parts = {source.part(record) for record in (event.record, event.before) if record}
            heard = [topic + part for part in parts if self._hub.count(topic + part)]
            if heard and (told := source.message(event)):
                for each in heard:
                    self._hub.publish(each, told)

    def _present(self, topic: str, part: str) -> Iterable[Message]:
        sources = self._topics[topic]
        for source in (s for s in sources if s.type is None):
            for record in self._store.list(source.kind):
                if source.part(record) == part:
                    yield message(EventType.ADDED, record.revision, source.render(record))
        yield self.bookmark()
        for source in (s for s in sources if s.type is not None):
            for record in source.present():
                if source.part(record) == part:
                    yield message(source.type or "", record.revision, source.render(record))

    def _past(self, topic: str, from_revision: int) -> list[Message]:
        histories = [
            [
                (event.revision, told)
                for event in self._store.history(s.kind, from_revision)
                if (told := s.message(event))
            ]
            for s in self._topics[topic]
        ]
        return [told for _, told in merge(*histories, key=lambda pair: pair[0])]
