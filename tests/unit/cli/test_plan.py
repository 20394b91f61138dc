"""plan: what assigning would change, and exit codes for scripts."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from tests.unit.cli.conftest import FakeManager, Run

PLAN = ("POST", "/v1/workloads/web/plan")
LIVE = {"part": "persona", "key": "/mtu", "before": None, "after": 1400, "label": "live", "outage_s": 0.0}
FLAP = {"part": "hardware", "key": "rings/rx", "before": 256, "after": 512, "label": "flap", "outage_s": 2.0}
SEEN = {"known": True, "driver": "e1000e", "observed_at": "2030-01-01T00:00:00Z"}


def planned(manager: FakeManager, *changes: Any, **more: Any) -> None:
    manager.add_workload("web")
    manager.add_persona(persona_id="slow")
    body = {"workload_id": "web", "persona_id": "slow", "changes": list(changes), **more}
    manager.answers[PLAN] = httpx2.Response(200, json=body)


def test_each_change_has_its_class_and_outage(run: Run, manager: FakeManager) -> None:
    planned(manager, LIVE, FLAP, label="flap", outage_s=2.0, hardware=SEEN)
    ran = run("plan", "web", "slow@2")
    assert ran.code == 0
    assert manager.sent("POST") == [(PLAN[1], {"persona_id": "slow", "persona_revision": 2})]
    assert ran.out.splitlines() == [
        "CHANGE    BEFORE  AFTER  CLASS  OUTAGE",
        "/mtu      -       1400   live   none",
        "rings/rx  256     512    flap   2s",
    ]
    assert "in all: flap, outage 2s" in ran.err
    assert "as reported at 2030-01-01T00:00:00Z (driver e1000e)" in ran.err
    assert "--allow-disruptive" in ran.err


def test_what_is_not_known_is_not_invented(run: Run, manager: FakeManager) -> None:
    planned(manager, {**FLAP, "label": None, "outage_s": None}, label=None, outage_s=None)
    ran = run("plan", "web", "slow")
    assert "not known  not known" in ran.out
    assert "not known, no agent has reported them" in ran.err


@pytest.mark.parametrize(("changes", "code"), [((), 0), ((LIVE,), 2)])
def test_scripts_read_the_exit_code(
    run: Run, manager: FakeManager, changes: tuple[Any, ...], code: int
) -> None:
    planned(manager, *changes)
    assert run("plan", "web", "slow", "--detailed-exitcode").code == code
    assert run("plan", "web", "slow").code == 0
    said = run("plan", "web", "slow", "-o", "json").json["changes"]
    assert [change["key"] for change in said] == [change["key"] for change in changes]


def test_what_the_interface_cannot_do_is_an_error(run: Run, manager: FakeManager) -> None:
    refusal = {"pointer": "/rings/rx", "detail": "over the maximum of 4096", "remedy": "write 4096 or less"}
    planned(manager, LIVE, refusals=[refusal])
    ran = run("plan", "web", "slow", "--detailed-exitcode")
    assert ran.code == 1
    assert "/rings/rx: over the maximum of 4096; write 4096 or less" in ran.err


def test_a_misspelt_name_offers_the_nearest(run: Run, manager: FakeManager) -> None:
    planned(manager)
    manager.answers["POST", "/v1/workloads/wbe/plan"] = httpx2.Response(404, json={"detail": "none"})
    manager.answers[PLAN] = httpx2.Response(422, json={"detail": "none"})
    assert "did you mean web?" in run("plan", "wbe", "slow").err
    assert "did you mean slow?" in run("plan", "web", "solw").err


def test_a_disruptive_assignment_names_the_option(run: Run, manager: FakeManager) -> None:
    planned(manager)
    remedy = "if that is what you want, send allow_disruptive: true"
    error = {"pointer": "/allow_disruptive", "detail": "rings/rx takes the link down", "remedy": remedy}
    refused = httpx2.Response(409, json={"detail": "rings/rx takes the link down", "errors": [error]})
    manager.answers["PUT", "/v1/workloads/web/persona"] = refused
    ran = run("assign", "web", "slow")
    assert ran.code == 1
    assert "give --allow-disruptive" in ran.err
    run("assign", "web", "slow", "--allow-disruptive")
    assert manager.sent("PUT")[-1][1] == {"persona_id": "slow", "allow_disruptive": True}
