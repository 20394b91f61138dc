"""Compiled personas, kept so that a switch back and forth compiles nothing."""

from __future__ import annotations

import json
from collections import OrderedDict

from netpersona.agent.desired import Dress
from netpersona.persona import CompiledPersona, compile_persona, from_mapping

CAPACITY = 512
"""Personas kept. About 50 KiB each, so 25 MiB at most."""


class Wardrobe:
    """Cache by the document itself: equal documents compile equally, whatever their name."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._kept: OrderedDict[str, CompiledPersona] = OrderedDict()

    def compiled(self, dress: Dress) -> CompiledPersona:
        """Compile, or remember. Raises PersonaError for a document this version does not know."""
        found = self._kept.get(dress.document)
        if found is None:
            found = compile_persona(from_mapping(json.loads(dress.document), source=dress.persona_id))
            self._kept[dress.document] = found
            if len(self._kept) > self._capacity:
                self._kept.popitem(last=False)
        self._kept.move_to_end(dress.document)
        return found
