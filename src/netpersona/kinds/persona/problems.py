"""From what pydantic reports to problems a person can act on."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from netpersona.kinds.errors import KeyPath, Problem, Refused, pointer
from netpersona.kinds.persona.conditions import Chance, FourState, GilbertElliott, Link
from netpersona.kinds.persona.hardware import Channels, InterruptCoalescing, Rings, Rss
from netpersona.kinds.persona.keys import misplaced, unknown
from netpersona.kinds.persona.profiles import Profile
from netpersona.kinds.persona.queues import Queue
from netpersona.kinds.persona.rules import Opening, Rule
from netpersona.kinds.shown import brief
from netpersona.kinds.units import shown

# Steps that pydantic adds to a path to tell the members of a union apart.
_TAGS = frozenset({"chance", "gilbert_elliott", "four_state", "named", "defined"})

_MODELS: Mapping[str, type[BaseModel]] = {
    "egress": Link,
    "ingress": Link,
    "queue_configuration": Queue,
    "filtering_rules": Rule,
    "interrupt_coalescing": InterruptCoalescing,
    "channels": Channels,
    "rings": Rings,
    "rss": Rss,
    "security_profile": Profile,
    "incoming": Opening,
    "reorder": Chance,
    "duplicate": Chance,
    "corrupt": Chance,
}

MOST = 100
"""Problems told of one document: who has more corrects these first."""

_LOSSES: Mapping[str, type[BaseModel]] = {"gilbert_elliott": GilbertElliott, "four_state": FourState}


def problems_of(error: ValidationError, data: Any, known: Sequence[str]) -> Iterator[tuple[KeyPath, Problem]]:
    """KeyPath and problem of each error, in document order; `known` are the keys of the document itself."""
    details = error.errors(include_url=False)
    for detail in islice(details, MOST):
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
    if len(details) > MOST:
        path = _path(details[MOST]["loc"], data)
        yield path, Problem(f"{len(details) - MOST:,} more problems", "correct the others first")


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
    """Message and remedy, never the library's own."""
    kind, value, ctx = detail["type"], detail["input"], detail.get("ctx") or {}
    key = str(path[-1]) if path else "the document"
    if kind == "extra_forbidden":
        return misplaced(key, known) if len(path) == 1 else unknown(key, _keys(path, data))
    if kind == "missing":
        return f"{key} is missing", f"add {key}, as in {key}: {_EXAMPLES.get(key, '…')}"
    if kind == "literal_error":
        return _choice(key, value, ctx["expected"])
    if kind == "union_tag_invalid":
        return (
            f"there is no such model as {brief(ctx['tag'], 40)}",
            "write gilbert_elliott or four_state, or a probability",
        )
    if kind == "string_pattern_mismatch":
        return (
            f"{shown(value)} is not a name",
            f"write {_label(value)}: lower-case letters, digits, hyphens, up to 63",
        )
    if kind == "string_unicode":
        return "the text holds half of a surrogate pair", "write the character whole"
    for kinds, wanted in _WANTED.items():
        if kind in kinds:
            return _wrong_type(value, wanted)
    return _bounds(kind, value, ctx) or (f"{shown(value)} does not fit here", f"see {key} in the reference")


_EXAMPLES = {
    "persona_id": "voip", "name": "mine", "queue_id": "0", "probability": "1%",
    "p": "1%", "r": "50%", "p13": "1%", "p31": "50%",
}  # fmt: skip

_WHOLE = "a whole number"
_WANTED = {
    ("int_type", "int_from_float", "int_parsing", "int_parsing_size", "finite_number"): _WHOLE,
    ("string_type",): "text",
    ("list_type", "tuple_type"): "a list",
    ("model_type", "dict_type", "model_attributes_type"): "a mapping of keys",
}


def _wrong_type(value: object, wanted: str) -> tuple[str, str]:
    if value is None:
        return f"there is nothing where {wanted} belongs", f"write {wanted}, or remove it"
    said = f"{shown(value)} is not {wanted}"
    if wanted == _WHOLE and isinstance(value, str) and re.fullmatch(r"\s*-?[0-9]{1,20}\s*", value, re.ASCII):
        return said, f"write {value.strip()} without quotes"
    if wanted == _WHOLE and isinstance(value, float) and abs(value) < 1e15:
        return said, f"write {wanted}, as {value:.0f}"
    if wanted == "text" and isinstance(value, (int, float)):
        return said, f'put it in quotes: "{shown(value)}"'
    if wanted == "a list":
        return said, "write a list: a hyphen before each entry, or [ … ]"
    return said, f"write {wanted}"


def _choice(key: str, value: object, expected: str) -> tuple[str, str]:
    """`expected` is pydantic's list of what a Literal takes: 'a', 'b' or 'c'."""
    words = re.findall("'([^']*)'", expected)
    listed = " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]
    meant = value.lower() if isinstance(value, str) and value.lower() in words else None
    remedy = f"write {meant or listed}"
    if key == "security_profile" and not meant:
        remedy += ", or define one, as in {name: mine, incoming: [{protocol: tcp, port: 22}]}"
    return f"{shown(value)} is not known here", remedy


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
    plain = unicodedata.normalize("NFKD", str(value)[:80].lower()).encode("ascii", "ignore").decode()
    return re.sub("[^a-z0-9]+", "-", plain)[:63].strip("-") or "a-name"
