"""Compiled personas, kept and made ahead, so that a switch compiles nothing: some take ten milliseconds."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Set
from typing import Any

import structlog

from netpersona.agent.backoff import Backoff
from netpersona.agent.desired import PersonaReference, canonical_text
from netpersona.agent.manager_client import Manager, ManagerRefused, ManagerUnreachable
from netpersona.kinds.persona import (
    CompiledPersona,
    InvalidDocument,
    compile_persona,
    from_mapping,
    presets,
    to_mapping,
)
from netpersona.kinds.persona.kind import PERSONA

CAPACITY = 512
"""Personas kept. About 50 KiB each, so 25 MiB at most."""

_log = structlog.get_logger(__name__)


class CompiledCache:
    """By the document itself: equal documents compile equally, whatever their name. Thread-safe.

    Once it is full, what was asked for longest ago goes, and of that first what `in_use` does not name.
    """

    def __init__(self, in_use: Callable[[], Set[str]] = frozenset, capacity: int = CAPACITY) -> None:
        """`in_use` answers the documents of assignments; it is called from any thread."""
        self._in_use = in_use
        self._capacity = capacity
        self._kept: OrderedDict[str, CompiledPersona] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, persona: PersonaReference) -> CompiledPersona | None:
        """None if it would have to be compiled."""
        with self._lock:
            found = self._kept.get(persona.document)
            if found is not None:
                self._kept.move_to_end(persona.document)
            return found

    def compile(self, persona: PersonaReference) -> CompiledPersona:
        """Compile, or remember. Raises InvalidDocument for a document that this version does not know."""
        found = self.find(persona)
        if found is None:
            found = _compile(persona)
            self._keep(persona, found)
        return found

    def precompile(self, document: Mapping[str, Any], *, displace: bool = True) -> None:
        """What may be assigned soon. It displaces nothing that is in use, and without `displace` nothing.

        Raises InvalidDocument.
        """
        persona = PersonaReference(str(document["persona_id"]), 0, canonical_text(document))
        if self.find(persona) is None and (self._has_room() or (displace and self._unused())):
            self._keep(persona, _compile(persona))

    def _has_room(self) -> bool:
        return len(self._kept) < self._capacity

    def _unused(self) -> list[str]:
        """Kept documents that nobody needs now, the one asked for longest ago first."""
        in_use = self._in_use()
        with self._lock:
            return [document for document in self._kept if document not in in_use]

    def _keep(self, persona: PersonaReference, made: CompiledPersona) -> None:
        out = [] if self._has_room() else self._unused()
        with self._lock:
            if not self._has_room():
                self._kept.pop(out[0] if out else next(iter(self._kept)), None)
            self._kept[persona.document] = made


def _compile(persona: PersonaReference) -> CompiledPersona:
    return compile_persona(from_mapping(json.loads(persona.document), source=persona.persona_id))


async def precompile(manager: Manager, cache: CompiledCache, backoff: Backoff) -> None:
    """Presets first, then every persona of the manager as it is created or replaced. Never returns.

    Those that were there before fill the room there is; a new one takes that of the oldest.
    """
    for preset in presets().values():
        await _precompile(cache, to_mapping(preset), displace=False)
    while True:
        try:
            await _follow(manager, cache, backoff)
        except (ManagerUnreachable, ManagerRefused):
            await asyncio.sleep(backoff.next())  # the follower says so already


async def _follow(manager: Manager, cache: CompiledCache, backoff: Backoff) -> None:
    listed = False
    async for event in manager.watch(PERSONA):
        if event.type == "BOOKMARK":
            listed = True
        elif event.type in ("ADDED", "MODIFIED"):
            await _precompile(cache, event.object["spec"], displace=listed)
            backoff.reset()


async def _precompile(cache: CompiledCache, document: Mapping[str, Any], *, displace: bool) -> None:
    try:
        await asyncio.to_thread(cache.precompile, document, displace=displace)
    except InvalidDocument as error:
        _log.warning("this agent cannot compile a persona", error=str(error))
