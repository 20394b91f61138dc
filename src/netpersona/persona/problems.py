"""From what pydantic reports to problems a person can act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from netpersona.persona.conditions import Chance, FourState, GilbertElliott, Link
from netpersona.persona.errors import KeyPath, Problem, Refused, pointer
from netpersona.persona.model import Persona
from netpersona.persona.profiles import Profile
from netpersona.persona.queues import InterruptCoalescing, Queue
from netpersona.persona.rules import Opening, Rule
from netpersona.persona.units import shown

# Steps that pydantic adds to a path to tell the members of a union apart.
_TAGS = frozenset({"chance", "gilbert_elliott", "four_state", "named", "defined"})

_MODELS: Mapping[str, type[BaseModel]] = {
    "egress": Link,
    "ingress": Link,
    "queue_configuration": Queue,
    "filtering_rules": Rule,
    "interrupt_coalescing": InterruptCoalescing,
    "security_profile": Profile,
    "incoming": Opening,
    "reorder": Chance,
    "duplicate": Chance,
    "corrupt": Chance,
}

_LOSSES: Mapping[str, type[BaseModel]] = {"gilbert_elliott": GilbertElliott, "four_state": FourState}


def problems_of(error: ValidationError, data: Any, known: Sequence[str]) -> Iterator[tuple[KeyPath, Problem]]:
    """KeyPath and problem of each error, in document order; `known` are the keys of the document itself."""
    for detail in error.errors(include_url=False):
        if detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]:
            continue  # pydantic leaves out entries that it refused, and then counts again
        path = _path(detail["loc"], data)
        refused = (detail.get("ctx") or {}).get("error")
        if isinstance(refused, Refused):
            path = (*path, *refused.at)
            yield path, Problem(refused.message, refused.remedy, pointer(path))
        else:
            message, remedy = _words(detail, path, known, data)
            yield path, Problem(message, remedy, pointer(path))


def _path(loc: tuple[str | int, ...], data: Any) -> KeyPath:
    """Where in the document an error is: the steps that are there, and at most one that is missing."""
    path: list[str | int] = []
    for step in loc:
        if _leads(data, step):
            data = data[step]
        elif step in _TAGS:
            continue
        elif isinstance(data, Mapping):
            return (*path, step)
        else:
            break
        path.append(step)
    return tuple(path)


def _leads(data: Any, step: str | int) -> bool:
    if isinstance(data, Mapping):
        return step in data
    return isinstance(data, (list, tuple)) and isinstance(step, int) and step < len(data)


def _words(detail: ErrorDetails, path: KeyPath, known: Sequence[str], data: Any) -> tuple[str, str]:
    """Message and remedy."""
    kind, value, ctx = detail["type"], detail["input"], detail.get("ctx") or {}
    key = str(path[-1]) if path else "the document"
    if kind == "extra_forbidden":
        return _misplaced(key, known) if len(path) == 1 else _unknown(key, _keys(path, data))
    if kind == "missing":
        return f"{key} is missing", f"add {key}"
    if kind == "literal_error":
        return f"{shown(value)} is not one of {ctx['expected']}", f"write {ctx['expected']}"
    if kind == "union_tag_invalid":
        return (
            f"there is no such model as {ctx['tag']:.40}",
            "write gilbert_elliott or four_state, or a probability",
        )
    if kind == "string_pattern_mismatch":
        return (
            f"{shown(value)} is not a name",
            f"write {_label(value)}: lower-case letters, digits, hyphens, up to 63",
        )
    for kinds, wanted in _WANTED.items():
        if kind in kinds:
            return f"{shown(value)} is not {wanted}", f"write {wanted}"
    return _bounds(kind, value, ctx) or (f"{key}: {detail['msg']}", "see the reference for what it takes")


_WANTED = {
    ("int_type", "int_from_float", "int_parsing"): "a whole number",
    ("string_type", "string_unicode"): "text",
    ("list_type", "tuple_type"): "a list",
    ("model_type", "dict_type", "model_attributes_type"): "a mapping of keys",
}


def _bounds(kind: str, value: object, ctx: Mapping[str, Any]) -> tuple[str, str] | None:
    limits = {
        "greater_than_equal": ("below", "ge", "or more"),
        "less_than_equal": ("above", "le", "or less"),
    }
    if kind in limits:
        word, key, tail = limits[kind]
        return f"{shown(value)} is {word} {ctx[key]}", f"write {ctx[key]} {tail}"
    if kind == "too_long":
        return f"more than {ctx['max_length']} entries", f"keep to {ctx['max_length']}"
    if kind == "too_short":
        return f"fewer than {ctx['min_length']} entries", f"give at least {ctx['min_length']}"
    if kind == "string_too_long":
        return f"longer than {ctx['max_length']} characters", f"keep to {ctx['max_length']} characters"
    return None


def _misplaced(key: str, known: Sequence[str]) -> tuple[str, str]:
    """An unknown key of the document itself, which may belong one level down."""
    word = key[:80]
    near = get_close_matches(word, Link.model_fields, n=1)
    if not near or "egress" not in known or (near[0] != key and get_close_matches(word, known, n=1)):
        return _unknown(key, known)
    return (
        f"unknown key {shown(key)}",
        f"write {near[0]} below egress or ingress, as in egress: {{{near[0]}: …}}",
    )


def _unknown(key: str, known: Sequence[str]) -> tuple[str, str]:
    near = get_close_matches(key[:80], known, n=1, cutoff=0.5)
    listed = known if len(known) <= len(Persona.model_fields) else tuple(Persona.model_fields)
    remedy = f"did you mean {near[0]}?" if near else f"remove it; known here: {', '.join(listed)}"
    return f"unknown key {shown(key)}", remedy


def _keys(path: KeyPath, data: Any) -> Sequence[str]:
    """Known keys of the mapping that the path leads into."""
    named = [step for step in path[:-1] if isinstance(step, str)]
    if named and named[-1] == "loss":
        for step in path[:-1]:
            data = data[step]
        return tuple(_LOSSES.get(str(data.get("model")), Chance).model_fields)
    model = _MODELS.get(named[-1]) if named else None
    return tuple(model.model_fields) if model else ()


def _label(value: object) -> str:
    """A valid name close to the one given."""
    text = "".join(c if c.isascii() and c.isalnum() else "-" for c in str(value)[:80].lower()).strip("-")
    return text[:63].strip("-") or "a-name"
