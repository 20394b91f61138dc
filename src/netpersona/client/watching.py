"""What a watch says, and how one goes on after a gap. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

from netpersona.client.errors import ApiError, ClientError

SILENCE_S = 90.0
"""A watch quieter than this is dead: the manager sends a bookmark every 30 s."""

PAUSES_S = (0.1, 0.5, 2.0, 5.0)
"""Before a watch that ended is asked for again; the last of them as often as it takes."""


@dataclass(frozen=True, slots=True)
class Event:
    """A line of a watch. `type`: ADDED, MODIFIED, DELETED, STATUS, VERIFY or BOOKMARK.

    A BOOKMARK has no object: what came before it is all there was at `revision`. What is told to one host
    (`kinds/wanted.py`) also has DOCUMENT, which later lines name by its digest, and FORGET, from which on
    none does.
    """

    type: str
    object: Mapping[str, Any]
    revision: int = 0

    @property
    def document(self) -> dict[str, Any]:
        """As the manager wrote it."""
        return {"type": self.type, "revision": self.revision, "object": self.object}


def read_event(line: bytes | str) -> Event:
    """Raises ValueError for what is no event."""
    document = json.loads(line)
    if not isinstance(document, dict) or "type" not in document:
        raise ValueError("a line of the watch is no event")
    return Event(str(document["type"]), document.get("object") or {}, int(document.get("revision") or 0))


def pauses() -> Iterator[float]:
    """Seconds before each further try."""
    return chain(PAUSES_S, repeat(PAUSES_S[-1]))


class Course:
    """What has been told of a watch, so that its next stream goes on where the last one broke off.

    Where the manager no longer knows what happened in between, everything is listed again and compared:
    what vanished is told as DELETED, what changed as MODIFIED, what is the same not at all.
    """

    def __init__(self, id_key: str) -> None:
        self._revision: int | None = None
        self._id_key = id_key
        self._begun = False
        self._told: dict[str, Event] = {}
        self._listed: set[str] = set()

    def begin(self) -> int | None:
        """A stream starts: after which revision; None: with all there is."""
        self._listed = set()
        return self._revision

    def broke_off(self, error: ClientError) -> None:
        """How the stream ended. Raises `error` where asking again will not help, or nothing ever came."""
        if not self._begun:
            raise error
        if not isinstance(error, ApiError):
            return
        if error.status == 410:
            self._revision = None
        elif not error.is_temporary:
            raise error

    def take(self, event: Event) -> Iterable[Event]:
        """What is to be told of an event that came."""
        self._begun = True
        if self._revision is None:
            return self._listing(event)
        self._revision = event.revision
        self._remember(event)
        return (event,)

    def _listing(self, event: Event) -> Iterable[Event]:
        if event.type == "BOOKMARK":
            self._revision = event.revision
            return [*self._vanished(), event]
        if event.type != "ADDED":
            return (event,)
        name = str(event.object[self._id_key])
        self._listed.add(name)
        before = self._told.get(name)
        self._remember(event)
        if before is None:
            return (event,)
        return () if before.revision == event.revision else (Event("MODIFIED", event.object, event.revision),)

    def _vanished(self) -> list[Event]:
        gone = [self._told.pop(name) for name in [*self._told] if name not in self._listed]
        return [Event("DELETED", event.object, event.revision) for event in gone]

    def _remember(self, event: Event) -> None:
        if event.type in ("ADDED", "MODIFIED"):
            self._told[str(event.object[self._id_key])] = event
        elif event.type == "DELETED":
            self._told.pop(str(event.object[self._id_key]), None)
