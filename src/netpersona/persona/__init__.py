"""Personas: model, file formats, presets, explanation and compilation. Pure: no kernel, no network."""

from netpersona.persona.compile import CompiledPersona, compile_persona
from netpersona.persona.errors import PersonaError, Problem
from netpersona.persona.mapping import from_mapping, to_mapping
from netpersona.persona.model import Persona

__all__ = [
    "CompiledPersona",
    "Persona",
    "PersonaError",
    "Problem",
    "compile_persona",
    "from_mapping",
    "to_mapping",
]
