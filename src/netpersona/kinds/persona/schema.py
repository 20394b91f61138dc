"""JSON Schema (2020-12) of a persona document in its three spellings."""

from __future__ import annotations

from typing import Any

from netpersona.kinds.names import PERSONA_ID
from netpersona.kinds.persona.model import MAX_RULES, Persona
from netpersona.kinds.persona.spellings import CAMEL, ID_KEYS, MAX_KBIT, MAX_MS, SNAKE

_FRACTION = {"type": "number", "minimum": 0, "maximum": 1}
_KILOBITS = {
    "type": "number",
    "minimum": 0,
    "maximum": MAX_KBIT,
    "description": "kbit/s each way; 0: unlimited",
}

_FLAT: dict[str, dict[str, Any]] = {
    "simulated_latency_ms": {"type": "number", "minimum": 0, "maximum": 500},
    "packet_loss_probability": _FRACTION,
    "bandwidth_limit_kbps": _KILOBITS,
    "latencyMs": {"type": "number", "minimum": 0, "maximum": MAX_MS},
    "jitterMs": {"type": "number", "minimum": 0, "maximum": MAX_MS},
    "packetLossPercentage": _FRACTION | {"description": "A fraction in spite of the name: 1 % is 0.01."},
    "duplicatePacketPercentage": _FRACTION | {"description": "A fraction in spite of the name: 1 % is 0.01."},
    "bandwidthKbps": _KILOBITS,
    "routingProfile": {"enum": ["Static"]},
}


def json_schema() -> dict[str, Any]:
    """The schema that files and request bodies meet. `load` checks more, as jitter against latency."""
    canonical = Persona.model_json_schema()
    definitions = canonical.pop("$defs")
    definitions["Persona"] = canonical
    definitions["FlatSnake"] = _flat_schema(canonical, SNAKE, list(canonical["properties"]))
    definitions["FlatCamel"] = _flat_schema(canonical, CAMEL, ["description", "mtu"])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "netpersona persona",
        "description": f"One of three spellings, never mixed; at most {MAX_RULES} filtering rules in all.",
        "anyOf": [{"$ref": f"#/$defs/{name}"} for name in ("Persona", "FlatSnake", "FlatCamel")],
        "$defs": definitions,
    }


def _flat_schema(canonical: dict[str, Any], flat: dict[str, Any], shared: list[str]) -> dict[str, Any]:
    identity = {key: {"type": "string", "pattern": PERSONA_ID} for key in ID_KEYS}
    kept = {key: canonical["properties"][key] for key in shared if key not in ("egress", "ingress")}
    return {
        "type": "object",
        "properties": identity | kept | {key: _FLAT[key] for key in flat},
        "anyOf": [{"required": [key]} for key in ID_KEYS],
        "additionalProperties": False,
    }
