"""The reference page of the document, from the model itself.

`python -m netpersona.kinds.persona.reference` prints docs/reference/persona.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from netpersona.kinds.persona import limits
from netpersona.kinds.persona.model import Persona
from netpersona.kinds.persona.presets import presets
from netpersona.kinds.persona.spellings import CAMEL, ID_KEYS, SNAKE
from netpersona.kinds.units import Duration, Probability, Rate, Size

# Sections in the order a reader meets them, by their name in the JSON Schema.
_SECTIONS = {
    "Persona": "The document",
    "Link": "`egress` and `ingress`",
    "Chance": "`loss`, `duplicate`, `corrupt`, `reorder`: a probability, or",
    "GilbertElliott": "`loss` with `model: gilbert_elliott`",
    "FourState": "`loss` with `model: four_state`",
    "Rule": "`filtering_rules`",
    "Queue": "`queue_configuration`",
    "InterruptCoalescing": "`interrupt_coalescing`",
    "Channels": "`channels`",
    "Rings": "`rings`",
    "Rss": "`rss`",
    "Profile": "`security_profile` defined in the document",
    "Opening": "`incoming` of a security profile",
}

_UNITS = {
    "duration": Duration.remedy,
    "rate": Rate.remedy,
    "size": Size.remedy,
    "probability": Probability.remedy,
}


def reference() -> str:
    """The page, in Markdown."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield "# Persona document\n"
    yield "Generated from the model by `python -m netpersona.kinds.persona.reference`.\n"
    yield from _units()
    schema = Persona.model_json_schema()
    definitions = {**schema["$defs"], "Persona": schema}
    for name, title in _SECTIONS.items():
        definition = definitions[name]
        mapping = definition if "properties" in definition else definition["anyOf"][1]
        yield from _section(title, mapping)
    yield from _flat()
    yield from _bounds()
    yield from _presets()


def _units() -> Iterator[str]:
    yield "## Units\n"
    yield "| quantity | write |\n|---|---|"
    for name, remedy in _UNITS.items():
        yield f"| {name} | {remedy.removeprefix('write ')} |"


def _section(title: str, mapping: dict[str, Any]) -> Iterator[str]:
    yield f"\n## {title}\n"
    yield mapping.get("description", "") + "\n"
    yield "| key | default | meaning |\n|---|---|---|"
    required = mapping.get("required", [])
    for key, field in mapping["properties"].items():
        default = "required" if key in required else _default(field.get("default"))
        yield f"| `{key}` | {default} | {_meaning(field)} |"


def _default(value: Any) -> str:
    if value in (None, "", [], {}):
        return ""
    return "" if isinstance(value, dict) else f"`{value}`"


def _meaning(field: dict[str, Any]) -> str:
    description: str = field["description"]
    parts = (field, *field.get("anyOf", ()))
    values = next((part["enum"] for part in parts if "enum" in part), ())
    bounded = next((part for part in parts if part.get("type") == "integer" and "maximum" in part), None)
    bounds = f" {bounded['minimum']} to {bounded['maximum']}." if bounded else ""
    listed = f" One of {', '.join(map(str, values))}." if 0 < len(values) < 10 else ""
    return description.replace("\n", " ") + bounds + listed


def _flat() -> Iterator[str]:
    yield "\n## Flat spellings\n"
    ids = ", ".join(f"`{key}`" for key in ID_KEYS)
    yield (
        "Latency, jitter, loss and duplication act once per round trip, on what the workload receives."
        " Bandwidth limits each direction; 0 is unlimited. Percentages are fractions from 0 to 1."
        f" The id may be written {ids}. A document keeps to one spelling.\n"
    )
    yield "| key | becomes |\n|---|---|"
    for key, flat in {**SNAKE, **CAMEL}.items():
        yield f"| `{key}` | {' and '.join('`' + '.'.join(path) + '`' for path in flat.targets)} |"


def _bounds() -> Iterator[str]:
    yield "\n## What is filled in\n"
    yield "| quantity | value |\n|---|---|"
    yield f"| `burst` | {limits.BURST_NS // 10**6} ms of the rate, two full frames at least |"
    yield (
        f"| `queue_length` | {limits.QUEUE_NS // 10**6} ms of full frames at the rate,"
        f" {limits.SHORTEST_QUEUE:,} to {limits.USUAL_QUEUE:,} packets; where the persona's round trip"
        f" holds more, as many, to {limits.LONGEST_QUEUE:,} |"
    )
    yield (
        "| delay line | the smallest frames at the rate"
        f" ({limits.LINE_RATE // 10**9} Gbit/s when unlimited) for the delay and four deviations,"
        f" {limits.SHORTEST_LINE:,} to {limits.LONGEST_LINE:,} packets |"
    )


def _presets() -> Iterator[str]:
    yield "\n## Presets\n"
    yield "| persona | description |\n|---|---|"
    yield from (f"| `{name}` | {preset.description} |" for name, preset in presets().items())


if __name__ == "__main__":
    sys.stdout.write(reference())
