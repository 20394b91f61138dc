"""The presets that come with netpersona, as stored documents."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from netpersona.kinds.persona import presets, to_mapping


@lru_cache(maxsize=1)
def preset_documents() -> Mapping[str, Mapping[str, Any]]:
    return {name: to_mapping(persona) for name, persona in sorted(presets().items())}


def preset(name: str) -> Mapping[str, Any] | None:
    return preset_documents().get(name)
