"""Personas: model, file formats, presets, explanation and compilation. Pure: no kernel, no network."""

from netpersona.kinds.errors import InvalidDocument, Problem
from netpersona.kinds.kind import Change
from netpersona.kinds.persona.compile import CompiledPersona, compile_persona
from netpersona.kinds.persona.diffs import diff
from netpersona.kinds.persona.explain import Explanation, Step, explain
from netpersona.kinds.persona.formats import dump, load, loads
from netpersona.kinds.persona.mapping import from_mapping, to_mapping
from netpersona.kinds.persona.model import Persona
from netpersona.kinds.persona.presets import presets
from netpersona.kinds.persona.schema import json_schema
from netpersona.kinds.units import Duration, Lifetime, Probability, Rate, Size

__all__ = [
    "Change",
    "CompiledPersona",
    "Duration",
    "Explanation",
    "InvalidDocument",
    "Lifetime",
    "Persona",
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
