"""assign, release and rollback."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from tests.unit.cli.conftest import FakeManager, Json, Run, assignment

ROLLED_BACK = "error: web wore nothing before; `netpersona release web` takes off what it wears now\n"
PUT_WEB = ("PUT", "/v1/workloads/web/persona")


@pytest.fixture
def web(manager: FakeManager) -> Json:
    """A workload whose agent has applied sequence 7."""
    manager.add_persona(persona_id="slow")
    status = {"phase": "attached", "message": "", "applied_sequence": 7}
    workload = manager.add_workload("web", sequence=7, assignment=assignment(), status=status)
    manager.answers[PUT_WEB] = httpx2.Response(200, json=workload)
    return workload


@pytest.mark.usefixtures("web")
def test_assign_asks_the_manager_to_wait_for_the_agent(run: Run, manager: FakeManager) -> None:
    ran = run("assign", "web", "slow", "--ttl", "60s", "--fallback", "b", "--wait", "500ms")
    assert (ran.code, ran.err) == (0, "")
    assert manager.sent("PUT") == [
        ("/v1/workloads/web/persona", {"persona_id": "slow", "ttl": "60s", "fallback": "b"})
    ]
    assert "0.5s" in [request.url.params.get("wait") for request in manager.asked]
    assert "slow@3" in ran.out


def test_assign_says_that_an_equal_document_starts_nothing_anew(
    run: Run, manager: FakeManager, web: Json
) -> None:
    again = {**web, "assignment": {**assignment(), "anew": False}}
    manager.answers[PUT_WEB] = httpx2.Response(200, json=again)
    ran = run("assign", "web", "slow")
    assert ran.code == 0
    assert "release it first" in ran.err


def test_assign_that_no_agent_applies_is_an_error_although_stored(
    run: Run, manager: FakeManager, web: Json
) -> None:
    manager.answers[PUT_WEB] = httpx2.Response(202, json={**web, "sequence": 8})
    ran = run("assign", "web", "slow")
    assert ran.code == 1
    assert "(pending)" in ran.out
    assert "no agent has applied it within 2 s" in ran.err


def test_assign_without_waiting_is_done_when_stored(run: Run, manager: FakeManager, web: Json) -> None:
    manager.answers[PUT_WEB] = httpx2.Response(200, json={**web, "sequence": 8})
    ran = run("assign", "web", "slow", "--wait", "0s")
    assert ran.code == 0
    assert "wait" not in manager.asked[-1].url.params


def test_assign_to_a_workload_whose_interface_is_gone_is_an_error(
    run: Run, manager: FakeManager, web: Json
) -> None:
    status = {"phase": "missing", "message": "no interface eth0", "applied_sequence": 7}
    manager.answers[PUT_WEB] = httpx2.Response(200, json={**web, "status": status})
    ran = run("assign", "web", "slow")
    assert ran.code == 1
    assert "missing: no interface eth0" in ran.err


@pytest.mark.usefixtures("web")
def test_a_misspelt_workload_offers_the_nearest(run: Run, manager: FakeManager) -> None:
    manager.answers["PUT", "/v1/workloads/wbe/persona"] = httpx2.Response(404, json={"detail": "none"})
    ran = run("assign", "wbe", "slow")
    assert (ran.code, ran.out) == (1, "")
    assert "there is no workload named wbe; did you mean web?" in ran.err


@pytest.mark.usefixtures("web")
def test_a_misspelt_persona_offers_the_nearest(run: Run, manager: FakeManager) -> None:
    manager.answers[PUT_WEB] = httpx2.Response(422, json={"detail": "there is no persona solw"})
    ran = run("assign", "web", "solw")
    assert "there is no persona or preset named solw; did you mean slow?" in ran.err


@pytest.mark.usefixtures("web")
def test_a_refusal_for_another_reason_is_passed_on(run: Run, manager: FakeManager) -> None:
    error = {"pointer": "/ttl", "detail": "too long", "remedy": "write at most 1y"}
    manager.answers[PUT_WEB] = httpx2.Response(422, json={"detail": "too long", "errors": [error]})
    assert run("assign", "web", "slow", "--ttl", "9000h").err == "error: /ttl: too long; write at most 1y\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["web"],
        ["web", "slow", "--ttl", "60"],
        ["web", "slow", "--ttl", "soon"],
        ["web", "slow", "--wait", "x"],
        ["web", "slow", "--fallback", "b"],
        ["web", "slow", "--ttl", "60s", "--confirm-within", "30s"],
        ["web", "slow", "--probe", "ping:10.0.0.1"],
        ["web", "slow", "--confirm-within", "30s", "--probe", "ping:example.org"],
        ["web", "slow", "--confirm-within", "30s", "--probe", "$(reboot)"],
    ],
)
def test_a_wrong_assign_is_refused_before_anything_is_asked(
    run: Run, manager: FakeManager, argv: list[str]
) -> None:
    assert run("assign", *argv).code == 2
    assert manager.asked == []


@pytest.mark.usefixtures("web")
def test_a_file_is_applied_and_its_persona_assigned(run: Run, manager: FakeManager, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("persona_id: mine\n")
    assert run("assign", "web", "-f", str(path)).code == 0
    assert [body["persona_id"] for _, body in manager.sent("POST") + manager.sent("PUT")] == ["mine", "mine"]


def test_a_file_with_two_personas_needs_a_name(run: Run, manager: FakeManager, tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text("persona_id: one\n---\npersona_id: two\n")
    ran = run("assign", "web", "-f", str(path))
    assert ran.code == 1
    assert "holds 2 personas" in ran.err
    assert manager.asked == []


@pytest.mark.parametrize(
    ("command", "method", "path"),
    [("release", "DELETE", "persona"), ("rollback", "POST", "rollback"), ("confirm", "POST", "confirm")],
)
def test_release_and_rollback_wait_until_the_agent_has_followed(
    run: Run, manager: FakeManager, web: Json, command: str, method: str, path: str
) -> None:
    manager.answers[method, f"/v1/workloads/web/{path}"] = httpx2.Response(200, json={**web, "sequence": 8})
    followed = {**web, "sequence": 8, "status": {**web["status"], "applied_sequence": 8}}
    manager.answers["GET", "/v1/workloads/web"] = httpx2.Response(200, json=followed)
    assert run(command, "web").code == 0


@pytest.mark.usefixtures("web")
def test_rollback_with_nothing_to_go_back_to_says_so(run: Run, manager: FakeManager) -> None:
    manager.answers["POST", "/v1/workloads/web/rollback"] = httpx2.Response(
        409,
        json={
            "detail": "web wore nothing before",
            "errors": [
                {
                    "pointer": "",
                    "detail": "web wore nothing before",
                    "remedy": "DELETE its persona to release it",
                }
            ],
        },
    )
    ran = run("rollback", "web")
    assert (ran.code, ran.out, ran.err) == (1, "", ROLLED_BACK)
