"""Personas with published figures, read from presets.yaml; each description names its source."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from netpersona.kinds.persona.formats import loads
from netpersona.kinds.persona.model import Persona


@cache
def presets() -> Mapping[str, Persona]:
    """All presets by persona_id, in the order of the file."""
    text = files("netpersona.kinds.persona").joinpath("presets.yaml").read_text(encoding="utf-8")
    return MappingProxyType({persona.persona_id: persona for persona in loads(text, source="presets.yaml")})
