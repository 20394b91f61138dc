"""Documents built from a stream of events, with the place of every key.

YAML and JSON both arrive as events, so that one builder bounds nesting and aliases and finds keys
given twice. It does not recurse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from netpersona.kinds.errors import InvalidDocument, KeyPath, Problem, pointer
from netpersona.kinds.shown import brief
from netpersona.kinds.units import shown

MAX_DEPTH = 32
MAX_NODES = 100_000

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Event:
    """One step of a parser. A key is a scalar where the mapping expects one."""

    kind: Literal["mapping", "list", "end", "scalar", "alias"]
    place: Place
    """Line and column, from 1."""
    value: Any = None
    """Of a scalar; the name of an alias."""
    anchor: str | None = None


@dataclass(slots=True)
class Document:
    """Plain data with the places of its keys and items."""

    data: Any = None
    places: dict[KeyPath, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def locate(self, path: KeyPath) -> Place | None:
        """Place of the longest part of the path that is in the document."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return None


_LONGEST_INT = 40


def whole(text: str) -> int:
    """A decimal integer; int() refuses very long ones, and beyond 40 digits no key tells them apart."""
    sign = -1 if text.startswith("-") else 1
    return int(text) if len(text) <= _LONGEST_INT else sign * 10**_LONGEST_INT


def stop(message: str, remedy: str, place: Place | None) -> InvalidDocument:
    """The error for what makes the rest of a file unreadable."""
    line, column = place or (None, None)
    return InvalidDocument([Problem(message, remedy, line=line, column=column)])


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being filled."""

    target: dict[str, Any] | list[Any]
    anchor: str | None
    first_node: int
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    document: Document = field(default_factory=Document)
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Any, int]] = field(default_factory=dict)
    nodes: int = 0

    def take(self, event: Event) -> bool:
        """Take an event; whether the document is complete."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise stop(
                f"more than {MAX_NODES:,} values", "spread the personas over several files", event.place
            )
        if event.kind == "end":
            self._close()
        elif self._expects_key():
            self._key(event)
        else:
            self._value(event)
        return not self.stack

    def _expects_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1].target, dict) and self.stack[-1].key is None

    def _key(self, event: Event) -> None:
        if event.kind != "scalar":
            raise stop("a key has to be text", "write a plain word before the colon", event.place)
        key = event.value if isinstance(event.value, str) else shown(event.value)
        top = self.stack[-1]
        top.key = key
        path = self._path()
        if key in top.target:
            line, column = event.place
            remedy = f"remove it, or the one on line {self.document.places[path][0]}"
            self.document.problems.append(
                Problem("key given twice", remedy, pointer(path), None, line, column)
            )
        self.document.places.setdefault(path, event.place)

    def _path(self) -> KeyPath:
        """KeyPath of the value that comes next."""
        return tuple(
            frame.key if isinstance(frame.target, dict) and frame.key is not None else len(frame.target)
            for frame in self.stack
        )

    def _value(self, event: Event) -> None:
        self.document.places.setdefault(self._path(), event.place)
        if event.kind == "alias":
            self._put(self._alias(event))
        elif event.kind == "scalar":
            if event.anchor:
                self.anchors[event.anchor] = (event.value, 1)
            self._put(event.value)
        else:
            self._open(event)

    def _alias(self, event: Event) -> Any:
        if event.value not in self.anchors:
            name = brief(event.value, 30)
            remedy = f"define &{name} before this place, and outside of what uses it"
            raise stop(f"*{name} stands for nothing yet", remedy, event.place)
        value, size = self.anchors[event.value]
        self.nodes += size
        return value

    def _open(self, event: Event) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise stop(f"nested deeper than {MAX_DEPTH} levels", "a persona needs 5 at most", event.place)
        self.stack.append(_Open({} if event.kind == "mapping" else [], event.anchor, self.nodes))

    def _close(self) -> None:
        done = self.stack.pop()
        if done.anchor:
            self.anchors[done.anchor] = (done.target, self.nodes - done.first_node)
        self._put(done.target)

    def _put(self, value: Any) -> None:
        if not self.stack:
            self.document.data = value
            return
        top = self.stack[-1]
        if isinstance(top.target, list):
            top.target.append(value)
        else:
            top.target[str(top.key)] = value
            top.key = None


def build(events: Iterable[Event]) -> Iterator[Document]:
    """Documents, one after another. Raises InvalidDocument where the rest cannot be read."""
    builder = _Builder()
    for event in events:
        if builder.take(event):
            yield builder.document
            builder = _Builder()
