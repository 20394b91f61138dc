"""Plans of an assignment: what changes, what that does to traffic, and what nobody knows."""

from __future__ import annotations

from typing import Any

from netpersona.kinds.hardware import HardwareReport
from netpersona.kinds.persona import Persona, from_mapping
from netpersona.kinds.plans import WorkloadPlan, plan_of, rows

E1000E = HardwareReport.model_validate(
    {
        "capabilities": {"driver": "e1000e", "maxima": {"rings/rx": 4096}},
        "settings": {"rings/rx": 256, "coalesce/rx_usecs": 3, "txqueuelen": 1000},
        "saved": {},
    }
)


def persona(**keys: Any) -> Persona:
    return from_mapping({"persona_id": "p", **keys})


def plan(
    before: Persona | None, after: Persona | None, report: HardwareReport | None = E1000E
) -> WorkloadPlan:
    return plan_of(before, after, report, "2030-01-01T00:00:00Z")


def test_what_is_worn_already_changes_nothing() -> None:
    found = plan(persona(mtu=1400), persona(mtu=1400))
    assert (found.changes, found.label, found.outage_s) == ((), "live", 0.0)


def test_policy_and_conditions_are_live() -> None:
    found = plan(persona(), persona(mtu=1400, egress={"latency": "10ms"}))
    assert {change.label for change in found.changes} == {"live"}
    assert (found.label, found.outage_s, found.disruptive) == ("live", 0.0, [])


def test_settings_are_held_against_what_the_interface_has() -> None:
    found = plan(persona(), persona(rings={"rx": 512}, interrupt_coalescing={"rx_usecs": 3}, mtu=1400))
    assert list(rows(found)) == [
        ("/mtu", "-", "1400", "live", "none"),
        ("rings/rx", "256", "512", "flap", "2s"),
    ]
    assert (found.label, found.outage_s) == ("flap", 2.0)
    assert [change.key for change in found.disruptive] == ["rings/rx"]
    assert found.hardware.driver == "e1000e"


def test_settings_that_go_back_are_changes_of_a_persona_that_asks_nothing() -> None:
    used = E1000E.model_copy(
        update={"settings": {**E1000E.settings, "rings/rx": 512}, "saved": {"rings/rx": 256}}
    )
    found = plan(persona(rings={"rx": 512}), persona(), used)
    assert list(rows(found)) == [("rings/rx", "512", "256", "flap", "2s")]


def test_what_nobody_has_reported_is_not_known() -> None:
    found = plan(persona(), persona(rings={"rx": 512}, mtu=1400), None)
    assert [row[3:] for row in rows(found)] == [("live", "none"), ("not known", "not known")]
    assert (found.label, found.outage_s, found.hardware.known) == (None, None, False)
    assert len(found.disruptive) == 1
    assert plan(persona(), persona(interrupt_coalescing={"rx_usecs": 8}), None).disruptive == []


def test_what_the_interface_cannot_do_is_refused_with_what_is_possible() -> None:
    found = plan(persona(), persona(rings={"rx": 8192}))
    (refusal,) = found.refusals
    assert refusal.pointer == "/rings/rx"
    assert "4096" in refusal.detail + refusal.remedy


def test_what_acts_nowhere_is_said() -> None:
    found = plan(persona(), persona(channels={"combined": 2}))
    assert any("/channels/combined" in note for note in found.notes)
    assert found.changes == ()
