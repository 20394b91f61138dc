"""Personas: model, file formats, presets, explanation and compilation. Pure: no kernel, no network."""

from netpersona.persona.compile import CompiledPersona, compile_persona
from netpersona.persona.diffs import Change, diff
from netpersona.persona.errors import PersonaError, Problem
from netpersona.persona.explain import Explanation, Step, explain
from netpersona.persona.formats import dump, load, loads
from netpersona.persona.mapping import from_mapping, to_mapping
from netpersona.persona.model import Persona
from netpersona.persona.presets import presets
from netpersona.persona.schema import json_schema
from netpersona.persona.units import Duration, Lifetime, Probability, Rate, Size

__all__ = [
    "Change",
    "CompiledPersona",
    "Duration",
    "Explanation",
    "Lifetime",
    "Persona",
    "PersonaError",
    "Probability",
    "Problem",
    "Rate",
    "Size",
    "Step",
    "compile_persona",
    "diff",
    "dump",
    "explain",
    "from_mapping",
    "json_schema",
    "load",
    "loads",
    "presets",
    "to_mapping",
]
