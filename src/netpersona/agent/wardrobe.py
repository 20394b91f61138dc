"""Compiled personas, kept so that a switch compiles nothing."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from netpersona.agent.desired import Assignment, Dress, canonical_text, dresses
from netpersona.kinds.persona import CompiledPersona, compile_persona, from_mapping

CAPACITY = 512
"""Personas kept. About 50 KiB each, so 25 MiB at most."""


class Wardrobe:
    """Cache by the document itself: equal documents compile equally, whatever their name. Thread-safe."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[str, CompiledPersona] = OrderedDict()
        self._lock = threading.Lock()

    def lacks(self, assignment: Assignment | None) -> bool:
        """Whether `compiled` would have to compile for this assignment: up to ten milliseconds."""
        with self._lock:
            return any(dress.document not in self._kept for dress in dresses(assignment))

    def compiled(self, dress: Dress) -> CompiledPersona:
        """Compile, or remember. Raises PersonaError for a document this version does not know."""
        with self._lock:
            found = self._kept.get(dress.document)
            if found is not None:
                self._kept.move_to_end(dress.document)
                return found
        made = compile_persona(from_mapping(json.loads(dress.document), source=dress.persona_id))
        with self._lock:
            self._kept[dress.document] = made
            if len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        return made

    def foresee(self, persona: Mapping[str, Any]) -> None:
        """Compile what may be worn soon, as long as that displaces nothing. Raises PersonaError."""
        if len(self._kept) < self._capacity:
            self.compiled(Dress(str(persona["persona_id"]), 0, canonical_text(persona)))
