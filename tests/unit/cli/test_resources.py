"""apply, get and delete."""

from __future__ import annotations

from pathlib import Path

import httpx2
import pytest
from tests.unit.cli.conftest import FakeManager, Run

from netpersona.kinds.workload import WORKLOAD


@pytest.fixture
def two(tmp_path: Path) -> str:
    path = tmp_path / "two.yaml"
    path.write_text("persona_id: old\nmtu: 1300\n---\npersona_id: new\nlatencyMs: 20\n")
    return str(path)


def test_apply_creates_replaces_and_leaves_alone(run: Run, manager: FakeManager, two: str) -> None:
    manager.add_persona(persona_id="old", mtu=1400)
    ran = run("apply", "-f", two)
    assert ran.code == 0
    assert [line.split() for line in ran.out.splitlines()[1:]] == [
        ["old", "replaced", "-"],
        ["new", "created", "-"],
    ]
    assert [path for path, _ in manager.sent("PUT")] == ["/v1/personas/old"]
    assert [body["persona_id"] for _, body in manager.sent("POST")] == ["new"]


def test_a_replacement_names_the_revision_it_saw(run: Run, manager: FakeManager, two: str) -> None:
    manager.add_persona(persona_id="old", mtu=1400)
    run("apply", "-f", two)
    assert {r.headers["if-match"] for r in manager.asked if r.method == "PUT"} == {'"3"'}


def test_applying_the_same_again_sends_nothing_even_from_a_flat_spelling(
    run: Run, manager: FakeManager, two: str
) -> None:
    manager.add_persona(persona_id="old", mtu=1300)
    manager.add_persona(persona_id="new", ingress={"latency": "20ms"})
    ran = run("apply", "-f", two, "-o", "json")
    assert [result["result"] for result in ran.json] == ["unchanged", "unchanged"]
    assert manager.sent("PUT") + manager.sent("POST") == []


def test_a_dry_run_stores_nothing(run: Run, manager: FakeManager, two: str) -> None:
    ran = run("apply", "-f", two, "--dry-run")
    assert ran.code == 0
    assert "created (dry run)" in ran.out
    assert manager.sent("POST") == []
    assert all("dry_run" in request.url.params for request in manager.asked if request.method != "GET")


def test_one_bad_document_among_many_files_sends_nothing(
    run: Run, manager: FakeManager, two: str, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("persona_id: x\nmtu: 7\n")
    ran = run("apply", "-f", two, "-f", str(bad))
    assert (ran.code, ran.out, manager.asked) == (1, "", [])
    assert f"{bad}:2:" in ran.err


def test_what_the_manager_refuses_in_rehearsal_is_never_half_done(
    run: Run, manager: FakeManager, two: str
) -> None:
    manager.add_persona(persona_id="old", mtu=1400)
    refusal = {"detail": "too much", "errors": [{"pointer": "/mtu", "detail": "no", "remedy": "less"}]}
    manager.answers["POST", "/v1/personas"] = httpx2.Response(422, json=refusal)
    ran = run("apply", "-f", two)
    assert (ran.code, ran.out) == (1, "")
    assert "/mtu: no; less" in ran.err
    assert manager.sent("PUT") == []


def test_get_lists_and_follows_cursors(run: Run, manager: FakeManager) -> None:
    manager.add_persona(persona_id="a")
    manager.add_persona(persona_id="b")
    a, b = manager.personas.values()
    manager.answers["GET", "/v1/personas"] = [
        httpx2.Response(200, json={"items": [a], "continue": "next"}),
        httpx2.Response(200, json={"items": [b], "continue": None}),
    ]
    assert run("get", "personas", "-o", "name").out == "a\nb\n"
    assert manager.asked[-1].url.params["continue"] == "next"


def test_get_of_one_prints_the_resource_itself(run: Run, manager: FakeManager) -> None:
    manager.add_workload("web")
    shown = run("get", "workload", "web", "-o", "json").json
    assert WORKLOAD.load(shown) == WORKLOAD.load(manager.workloads["web"])


def test_get_of_nothing_prints_nothing_on_stdout(run: Run) -> None:
    ran = run("get", "workloads")
    assert (ran.code, ran.out) == (0, "")
    assert "workload add" in ran.err
    assert run("get", "workloads", "-o", "json").json == []


def test_a_misspelt_name_offers_the_nearest(run: Run, manager: FakeManager) -> None:
    manager.add_persona(persona_id="voip-on-3g")
    ran = run("get", "personas", "voip-on-3")
    assert (ran.code, ran.out) == (1, "")
    assert "did you mean voip-on-3g?" in ran.err


def test_a_long_description_is_whole_when_piped(run: Run, manager: FakeManager) -> None:
    manager.add_persona(persona_id="a", description="d" * 400)
    assert "d" * 400 in run("get", "personas").out


def test_delete_looks_all_names_up_before_the_first_deletion(run: Run, manager: FakeManager) -> None:
    manager.add_persona(persona_id="a")
    ran = run("delete", "persona", "a", "nosuch")
    assert ran.code == 1
    assert manager.sent("DELETE") == []


def test_delete_says_what_it_deleted_and_with_which_revision(run: Run, manager: FakeManager) -> None:
    manager.add_workload("web")
    assert run("delete", "workload", "web").out == "workload/web deleted\n"
    assert manager.asked[-1].headers["if-match"] == '"4"'


def test_a_persona_in_use_is_refused_with_the_remedy(run: Run, manager: FakeManager) -> None:
    manager.add_persona(persona_id="a")
    detail = {"pointer": "", "detail": "a is in use by web", "remedy": "release it first"}
    manager.answers["DELETE", "/v1/personas/a"] = httpx2.Response(
        409, json={"detail": "a is in use by web", "errors": [detail]}
    )
    ran = run("delete", "persona", "a")
    assert (ran.code, ran.err) == (1, "error: a is in use by web; release it first\n")


def test_hosts_cannot_be_deleted(run: Run) -> None:
    assert run("delete", "host", "local").code == 2
