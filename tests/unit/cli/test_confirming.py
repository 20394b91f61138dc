"""assign --confirm-within, and what came of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.unit.cli.conftest import FakeManager, Json, Run, assignment, problem

PUT_WEB = ("PUT", "/v1/workloads/web/persona")
BEFORE = {"persona_id": "calm", "persona_revision": 2, "persona": {"persona_id": "calm"}, "follows": False}
STATUS = {"phase": "attached", "message": "", "applied_sequence": 7}


def unconfirmed(manager: FakeManager, **more: Any) -> Json:
    """`web` with `slow`, which waits for 30 s."""
    deadline = (datetime.now(UTC) + timedelta(seconds=30)).isoformat()
    worn = assignment(expires_at=deadline, confirm_by=deadline, fallback=BEFORE, **more)
    web = manager.add_workload("web", sequence=7, assignment=worn, status=STATUS)
    manager.answers[PUT_WEB] = httpx2.Response(200, json=web)
    manager.add_persona(persona_id="slow")
    return web


def test_it_says_what_happens_unless_it_is_confirmed(run: Run, manager: FakeManager) -> None:
    unconfirmed(manager)
    ran = run("assign", "web", "slow", "--confirm-within", "30s")
    assert ran.code == 0
    assert manager.sent("PUT") == [
        ("/v1/workloads/web/persona", {"persona_id": "slow", "confirm_within": "30s"})
    ]
    assert "web goes back to calm@2 in 30s; `netpersona confirm web` keeps slow" in ran.err
    for shown in (run("get", "workloads").out, run("describe", "web").out):
        assert "unless confirmed" in shown


def test_a_probe_is_waited_for(run: Run, manager: FakeManager) -> None:
    web = unconfirmed(manager, probe="ping:10.0.0.1")
    kept = {**web, "assignment": assignment(probe=None)}
    manager.answers["GET", "/v1/workloads/web"] = [httpx2.Response(200, json=one) for one in (web, kept)]
    ran = run("assign", "web", "slow", "--confirm-within", "30s", "--probe", "ping:10.0.0.1")
    assert (ran.code, ran.err.splitlines()[-1]) == (0, "confirmed: ping:10.0.0.1 answered")


def test_a_probe_that_fails_is_an_error_with_its_reason(run: Run, manager: FakeManager) -> None:
    web = unconfirmed(manager, probe="ping:10.0.0.1")
    reason = "ping:10.0.0.1 failed: no answer"
    reverted = {"persona_id": "slow", "persona_revision": 3, "at": "2030-01-01T00:00:03Z", "reason": reason}
    after = {**web, "reverted": reverted, "assignment": assignment("calm")}
    manager.workloads["web"] = after
    ran = run("assign", "web", "slow", "--confirm-within", "30s", "--probe", "ping:10.0.0.1")
    assert ran.code == 1
    assert f"web: slow@3 went back by itself: {reason}; it wears calm@3 again" in ran.err
    for shown in (run("get", "workloads").err, run("describe", "web").out, run("status").err):
        assert f"slow@3 went back by itself: {reason}" in shown


def test_a_confirmation_that_comes_too_late_says_so(run: Run, manager: FakeManager) -> None:
    unconfirmed(manager)
    refusal = problem(409, "too late: slow went back by itself: not confirmed in time")
    manager.answers["POST", "/v1/workloads/web/confirm"] = refusal
    ran = run("confirm", "web")
    assert (ran.code, ran.out) == (1, "")
    assert "too late" in ran.err


@pytest.mark.parametrize("follows", ["slow", "calm"])
def test_a_file_that_would_switch_by_being_stored_is_refused(
    run: Run, manager: FakeManager, tmp_path: Path, follows: str
) -> None:
    """The workload follows the persona of the file, or would fall back to it."""
    before = {**BEFORE, "follows": follows == "calm"}
    manager.add_workload("web", assignment=assignment(fallback=before, follows=follows == "slow"))
    path = tmp_path / "link.yaml"
    path.write_text(f"persona_id: {follows}\n")
    ran = run("assign", "web", "-f", str(path), "--confirm-within", "30s")
    assert ran.code == 1
    assert f"web follows {follows}" in ran.err
    assert manager.sent("POST") + manager.sent("PUT") == []
