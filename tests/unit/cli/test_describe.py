"""describe: all that is known of one thing."""

from __future__ import annotations

import pytest
from tests.unit.cli.conftest import FakeManager, Run, assignment

from netpersona.kinds.workload import WORKLOAD


def test_a_persona_is_described_in_words_with_who_uses_it(run: Run, manager: FakeManager) -> None:
    manager.add_persona(persona_id="slow", egress={"latency": "70ms"})
    manager.personas["slow"]["in_use_by"] = ["web"]
    ran = run("describe", "persona", "slow")
    assert ran.code == 0
    assert "in use by  web" in ran.out
    assert "70ms" in ran.out


def test_a_workload_is_described_with_what_the_agent_saw(run: Run, manager: FakeManager) -> None:
    manager.add_workload(
        "web",
        sequence=7,
        assignment=assignment(expires_at="2020-01-01T00:00:00Z"),
        previous={"persona_id": "fast", "persona_revision": 0, "persona": {"persona_id": "fast"}},
        status={
            "phase": "attached",
            "message": "",
            "applied_sequence": 7,
            "generation": 12,
            "proof": "seen",
            "observed_at": "2030-01-01T00:00:00Z",
            "warnings": ["the queue is short"],
            "counters": {"egress": {"passed": {"packets": 5}}},
        },
    )
    out = run("describe", "workload", "web").out
    for line in (
        "persona     slow@3",
        "expires     in 0s, then no persona",
        "before      fast (preset)",
        "generation  12 (packets were seen under it)",
        "warning     the queue is short",
        "delivered  5       0",
    ):
        assert line in out


def test_the_kind_may_be_left_out(run: Run, manager: FakeManager) -> None:
    manager.add_persona(persona_id="slow")
    manager.add_workload("web")
    assert run("describe", "slow").out.startswith("persona slow\n")
    assert run("describe", "web").out.startswith("workload web\n")


def test_the_kind_may_not_be_left_out_where_both_have_the_name(run: Run, manager: FakeManager) -> None:
    manager.add_persona(persona_id="web")
    manager.add_workload("web")
    ran = run("describe", "web")
    assert (ran.code, ran.out) == (1, "")
    assert "netpersona describe workload web" in ran.err


def test_an_unknown_name_offers_both_kinds(run: Run, manager: FakeManager) -> None:
    manager.add_workload("web")
    assert "did you mean web?" in run("describe", "wbe").err


def test_json_is_the_resource(run: Run, manager: FakeManager) -> None:
    assert run("describe", "web", "-o", "json").code == 1
    manager.add_workload("web")
    shown = run("describe", "web", "-o", "json").json
    assert WORKLOAD.load(shown) == WORKLOAD.load(manager.workloads["web"])


def test_a_host_is_described_by_its_keys(run: Run, manager: FakeManager) -> None:
    manager.hosts["local"] = {"host": "local", "seen_at": "2030-01-01T00:00:00Z", "version": "7"}
    out = run("describe", "host", "local").out
    assert out.startswith("host local\n  version ")


@pytest.mark.parametrize("word", ["pod", "verification"])
def test_a_wrong_kind_is_a_usage_error(run: Run, word: str) -> None:
    assert run("describe", word, "local").code == 2


def test_what_another_version_holds_says_so(run: Run, manager: FakeManager) -> None:
    manager.add_workload("web")["spec"]["kind"] = "toaster"
    ran = run("describe", "web")
    assert (ran.code, ran.out) == (1, "")
    assert "/kind" in ran.err
    assert ran.err.endswith(
        "error: the manager holds what this version cannot read; use the version that it has\n"
    )
    manager.workloads["web"]["sequence"] = "many"
    assert "what this client cannot read" in run("describe", "web").err
