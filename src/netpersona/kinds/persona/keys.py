"""Unknown keys: which known one was meant, and where it belongs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher

from netpersona.kinds.persona.conditions import FourState, GilbertElliott, Link
from netpersona.kinds.persona.model import Persona
from netpersona.kinds.units import shown

CUTOFF = 0.65
_LONGEST = 80

_SYNONYMS = {
    "delay": "latency", "rate": "bandwidth", "packetloss": "loss",
    "src": "source", "dst": "destination", "dport": "port", "ports": "port", "sport": "source_port",
    "rules": "filtering_rules", "queues": "queue_configuration", "profile": "security_profile",
}  # fmt: skip
"""Words of other tools, folded."""

_MODEL_KEYS = {
    **dict.fromkeys(("p", "r", "loss_good", "loss_bad"), GilbertElliott),
    **dict.fromkeys(("p13", "p31", "p32", "p23", "p14"), FourState),
}
_MODEL_NAMES = {GilbertElliott: "gilbert_elliott", FourState: "four_state"}


def nearest(key: str, known: Iterable[str]) -> tuple[str | None, float]:
    """The known key most like this one, whatever its case and hyphens, and how like (0 to 1)."""
    folded = _fold(key[:_LONGEST])
    near: tuple[str | None, float] = (None, 0.0)
    for candidate in known:
        same = _SYNONYMS.get(folded) == candidate or _fold(candidate) == folded
        begun = len(folded) > 2 and _fold(candidate).startswith(folded)
        alike = 1.0 if same else max(0.9 * begun, SequenceMatcher(None, _fold(candidate), folded).ratio())
        if alike > max(near[1], CUTOFF):
            near = candidate, alike
    return near


def _fold(key: str) -> str:
    return "".join(char for char in key.lower() if char.isalnum())


def unknown(key: str, known: Sequence[str]) -> tuple[str, str]:
    """Message and remedy for a key below the document itself."""
    near, _ = nearest(key, known)
    if near is None and key in Persona.model_fields:
        remedy = f"write {key} one level up, beside persona_id"
    elif near is None and key in _MODEL_KEYS and "probability" in known:
        remedy = f"it belongs to a model: add model: {_MODEL_NAMES[_MODEL_KEYS[key]]}"
    else:
        remedy = _meant(near, known)
    return f"unknown key {shown(key)}", remedy


def misplaced(key: str, known: Sequence[str]) -> tuple[str, str]:
    """Message and remedy for a key of the document itself, which may belong one level down."""
    (near, alike), (below, alike_below) = nearest(key, known), nearest(key, Link.model_fields)
    if below is None or "egress" not in known or alike > alike_below:
        return f"unknown key {shown(key)}", _meant(near, known)
    remedy = f"write {below} below egress or ingress, as in egress: {{{below}: …}}"
    return f"unknown key {shown(key)}", remedy


def _meant(near: str | None, known: Sequence[str]) -> str:
    if near is not None:
        return f"did you mean {near}?"
    listed = known if len(known) <= len(Persona.model_fields) else tuple(Persona.model_fields)
    return f"remove it; known here: {', '.join(listed)}"
