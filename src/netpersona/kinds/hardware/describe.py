"""What a person is shown of an interface's settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from netpersona.kinds.hardware.asked import NOTHING_ASKED
from netpersona.kinds.hardware.interface import HardwareReport
from netpersona.kinds.hardware.plan import plan
from netpersona.kinds.kind import Section


def sections(reported: Mapping[str, Any], persona: Mapping[str, Any] | None) -> Iterator[Section]:
    """Driver and drift, and where each part of the persona acts. Nothing where it asks nothing."""
    from netpersona.kinds.persona import from_mapping  # late: who lists workloads needs no personas
    from netpersona.kinds.persona.asks import asks_of

    report = HardwareReport.model_validate(reported)
    asked = asks_of(from_mapping(persona)) if persona else NOTHING_ASKED
    if not asked and not report.saved:
        return
    fields = [("driver", report.capabilities.driver or "unknown")]
    if report.saved:
        fields.append(("set by personas", ", ".join(report.saved)))
    if report.drift:
        fields.append(
            ("set by others since", f"{', '.join(report.drift)}; left so until the next assignment")
        )
    found = plan(report.all_settings, asked, report.capabilities, report.saved)
    rows: list[tuple[str, str, str]] = [(place.pointer, place.where, place.text) for place in found.places]
    rows += [(problem.pointer, "refused", problem.message) for problem in found.refusals]
    yield Section("settings of its interface", tuple(fields))
    if rows:
        yield Section("", table=(("part of the persona", "acts in", "how"), *rows))
