"""The three spellings of a document, brought to the canonical one.

Flat latency, jitter, loss and duplication act once per round trip, so they are put on what the workload
receives (ingress). Flat bandwidth limits each direction, and 0 is unlimited. `packetLossPercentage` and
`duplicatePacketPercentage` are fractions from 0 to 1 in spite of their names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from netpersona.kinds.errors import KeyPath, Problem, Refused, pointer
from netpersona.kinds.persona.model import Persona
from netpersona.kinds.units import Duration, Probability, Rate, shown

ID_KEYS = ("persona_id", "personaId", "personality_id", "personalityId", "name")
LINK_KEYS = ("egress", "ingress")
CANONICAL_KEYS = tuple(Persona.model_fields)
MAX_MS = 600_000
MAX_KBIT = 400_000_000


@dataclass
class Translation:
    """A document in the canonical spelling, and how to speak of it in the one it was written in."""

    document: dict[str, Any]
    known: tuple[str, ...]
    """Keys that the document might have had."""
    sources: dict[KeyPath, KeyPath] = field(default_factory=dict)
    """Where the value of a canonical path was written."""
    notes: list[str] = field(default_factory=list)
    """What flat keys were turned into."""
    problems: list[tuple[KeyPath, Problem]] = field(default_factory=list)

    def refuse(self, path: KeyPath, message: str, remedy: str) -> None:
        """Note a problem."""
        self.problems.append((path, Problem(message, remedy, pointer(path))))

    def source(self, path: KeyPath) -> KeyPath:
        """The written path of a canonical one."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.sources:
                return (*self.sources[path[:length]], *path[length:])
        return path


def _number(value: Any, highest: float, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Refused(f"{shown(value)} is not a number", f"write {what}")
    if isinstance(value, float) and math.isnan(value):
        raise Refused("nan is not a number", f"write {what}")
    if not 0 <= value <= highest:
        raise Refused(f"{shown(value)} is outside 0 to {highest:,.0f}", f"write {what}")
    return value


def _milliseconds(highest: int) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        number = _number(value, highest, f"milliseconds without a unit, from 0 to {highest}")
        return Duration.rounded(Decimal(repr(number)) * 10**6)

    return read


def _fraction(value: Any) -> Any:
    return Probability(_number(value, 1, "the fraction from 0.0 to 1.0: 1 % is 0.01"))


def _kilobits(value: Any) -> Any:
    number = _number(value, MAX_KBIT, "kbit/s without a unit; 0 is unlimited")
    if 0 < number < 1:
        raise Refused(f"{shown(value)} kbit/s is below the least rate", "write 1 or more, or 0 for unlimited")
    return Rate(round(Decimal(repr(number)) * 1000)) if number else None


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


@dataclass(frozen=True)
class _Flat:
    """One flat key: how its value is read and the canonical paths it goes to."""

    read: Callable[[Any], Any]
    targets: tuple[tuple[str, ...], ...]


def _ingress(read: Callable[[Any], Any], key: str) -> _Flat:
    return _Flat(read, (("ingress", key),))


_BANDWIDTH = _Flat(_kilobits, (("egress", "bandwidth"), ("ingress", "bandwidth")))

SNAKE = {
    "simulated_latency_ms": _ingress(_milliseconds(500), "latency"),
    "packet_loss_probability": _ingress(_fraction, "loss"),
    "bandwidth_limit_kbps": _BANDWIDTH,
}
CAMEL = {
    "latencyMs": _ingress(_milliseconds(MAX_MS), "latency"),
    "jitterMs": _ingress(_milliseconds(MAX_MS), "jitter"),
    "packetLossPercentage": _ingress(_fraction, "loss"),
    "duplicatePacketPercentage": _ingress(_fraction, "duplicate"),
    "bandwidthKbps": _BANDWIDTH,
    "routingProfile": _Flat(_lower, (("routing_profile",),)),
}
_CAMEL_SHARED = ("description", "mtu")


def translate(data: Mapping[Any, Any], default_id: str | None = None) -> Translation:
    """Bring a document to the canonical spelling. Keys that no spelling knows stay as they are."""
    groups = {
        "canonical": [key for key in data if key in LINK_KEYS],
        "flat snake case": [key for key in data if key in SNAKE],
        "flat camel case": [key for key in data if key in CAMEL],
    }
    if groups["flat camel case"]:
        groups["canonical"] += [key for key in data if key in _NOT_CAMEL]
    used = {name: keys for name, keys in groups.items() if keys}
    if len(used) > 1:
        return _mixed(data, used)
    flat = {**(SNAKE if groups["flat snake case"] else {}), **(CAMEL if groups["flat camel case"] else {})}
    translation = Translation({}, _known(used))
    _translate_id(translation, data, default_id)
    for key, value in data.items():
        if key in flat:
            _translate_key(translation, key, value, flat[key])
        elif key not in ID_KEYS:
            translation.document[key] = value
    return translation


_NOT_CAMEL = frozenset(CANONICAL_KEYS) - {*_CAMEL_SHARED, *ID_KEYS, *LINK_KEYS}


def _known(used: Mapping[str, Any]) -> tuple[str, ...]:
    shared = tuple(key for key in CANONICAL_KEYS if key not in LINK_KEYS)
    if "flat camel case" in used:
        return (*ID_KEYS, *_CAMEL_SHARED, *CAMEL)
    if "flat snake case" in used:
        return (*ID_KEYS, *shared, *SNAKE)
    return CANONICAL_KEYS if used else (*CANONICAL_KEYS, *SNAKE, *CAMEL)


def _mixed(data: Mapping[Any, Any], used: Mapping[str, list[str]]) -> Translation:
    translation = Translation({}, ())
    order = list(data)
    firsts = sorted((order.index(keys[0]), keys[0], name) for name, keys in used.items())
    (_, first, spelling), (_, second, other) = firsts[0], firsts[1]
    translation.refuse(
        (second,),
        f"{second} belongs to the {other} spelling, and {first} to the {spelling} one: keep to one",
        f"write the whole document in one spelling; canonically {_canonically(second, first)}",
    )
    return translation


def _canonically(*keys: str) -> str:
    """How the flat ones among the keys are written canonically."""
    flat = {**SNAKE, **CAMEL}
    written = [
        f"{key} is {' and '.join('.'.join(path) for path in flat[key].targets)}"
        for key in keys
        if key in flat
    ]
    return ", ".join(written)


def _translate_id(translation: Translation, data: Mapping[Any, Any], default_id: str | None) -> None:
    given = [key for key in ID_KEYS if key in data]
    if given:
        translation.document["persona_id"] = data[given[0]]
        translation.sources["persona_id",] = (given[0],)
    elif default_id is not None:
        translation.document["persona_id"] = default_id
    for key in given[1:]:
        translation.refuse((key,), f"{key} names the persona a second time", f"remove {key} or {given[0]}")


def _translate_key(translation: Translation, key: str, value: Any, flat: _Flat) -> None:
    for path in flat.targets:
        translation.sources[path] = (key,)
    try:
        read = flat.read(value)
    except Refused as refused:
        translation.refuse((key,), refused.message, refused.remedy)
        return
    for path in flat.targets:
        _put(translation.document, path, read)
    if len(flat.targets[0]) > 1:
        translation.notes.append(_note(key, value, flat, read))


def _put(document: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    *parents, last = path
    for parent in parents:
        document = document.setdefault(parent, {})
    if value is not None:
        document[last] = value


def _note(key: str, value: Any, flat: _Flat, read: Any) -> str:
    names = " and ".join(".".join(path) for path in flat.targets)
    if flat is _BANDWIDTH:
        meaning = "unlimited" if read is None else f"{names}: {read}, in each direction"
    else:
        meaning = f"{names}: {read}, once per round trip, on what the workload receives"
    return f"{key}: {shown(value)} became {meaning}"
