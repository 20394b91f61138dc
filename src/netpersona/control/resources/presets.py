"""The presets that come with netpersona, as stored documents."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

from netpersona.control.problems import NotFound
from netpersona.kinds.kind import Nothing, Resource
from netpersona.kinds.persona import Persona, presets, to_mapping
from netpersona.kinds.persona.kind import PRESET
from netpersona.kinds.shown import brief


@lru_cache(maxsize=1)
def preset_documents() -> Mapping[str, Mapping[str, Any]]:
    return {name: to_mapping(persona) for name, persona in sorted(presets().items())}


def preset(name: str) -> Mapping[str, Any] | None:
    return preset_documents().get(name)


class Presets:
    kind = PRESET

    def get(self, name: str) -> Resource[Persona, Nothing]:
        spec = preset(name)
        if spec is None:
            raise NotFound(f"there is no preset {brief(name)}", remedy="GET /v1/presets lists them")
        return Resource(PRESET, name, spec, Nothing())

    def list(self, after: str = "", limit: int | None = None) -> Sequence[Resource[Persona, Nothing]]:
        names = sorted(preset_documents())
        return [self.get(name) for name in islice(names[bisect_right(names, after) :], limit)]
