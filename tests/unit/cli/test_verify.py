"""verify: what was asked against what was measured."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import pytest
from tests.unit.cli.conftest import FakeManager, Json, Run

from netpersona.cli import verify

PATH = "/v1/workloads/web/verifications"
HOLDS = {
    "direction": "egress",
    "quantity": "latency",
    "requested": 100,
    "achieved": 100.123456789,
    "low": 99.9,
    "high": 100.3,
    "unit": "ms",
    "verdict": "yes",
    "holds": True,
}
BREAKS = {**HOLDS, "quantity": "loss", "verdict": "no", "holds": False}
OPEN = {**HOLDS, "quantity": "jitter", "verdict": "too few", "holds": None}
UNASKED = {**HOLDS, "requested": None, "low": None, "high": None, "verdict": None, "holds": None}
OPENING = {
    **HOLDS,
    "quantity": "default: any flow",
    "requested": "passes",
    "achieved": "passes",
    "low": None,
    "high": None,
    "unit": "",
}
ASKED = {"workload_id": "web", "verification_id": "v1"}
End = Callable[..., None]


@pytest.fixture
def answer(manager: FakeManager) -> End:
    """Let the verification end in this state."""

    def end(state: str, rows: list[dict[str, object]], message: str = "") -> None:
        manager.add_workload("web")
        pending = {
            "workload_id": "web",
            "verification_id": "v1",
            "state": "pending",
            "message": "",
            "rows": [],
        }
        manager.answers["POST", PATH] = httpx2.Response(202, json=pending)
        done = {**pending, "state": state, "rows": rows, "message": message}
        manager.answers["GET", f"{PATH}/v1"] = httpx2.Response(200, json=done)

    return end


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "POLL_S", 0)


def test_all_that_holds_exits_0_with_the_intervals(run: Run, manager: FakeManager, answer: End) -> None:
    answer("done", [HOLDS, UNASKED])
    ran = run("verify", "web", "--probes", "50", "--interval", "1ms")
    assert ran.code == 0
    assert "egress     latency   100ms      100.1ms   99.9ms … 100.3ms  yes" in ran.out
    assert manager.sent("POST") == [(PATH, {"probes": 50, "interval": "1ms", "at_most": "60s"})]


def test_one_that_does_not_hold_exits_1_and_shows_all(run: Run, answer: End) -> None:
    answer("done", [HOLDS, BREAKS])
    ran = run("verify", "web")
    assert ran.code == 1
    assert len(ran.out.splitlines()) == 3
    assert ran.out.splitlines()[2].endswith("NO")
    assert ran.err.endswith("does not hold: egress loss\n")


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "ms", "-"),
        ("passes", "", "passes"),
        (0.01, "", "1%"),
        (0.000784894, "", "0.07849%"),
        (0.0, "", "0%"),
        (38_350_800.0, "bit/s", "38.35mbit"),
        (420_000.0, "bit/s", "420kbit"),
        (999.0, "bit/s", "999bit/s"),
        (95.4681, "ms", "95.47ms"),
        (123_456.0, "ms", "123500ms"),
    ],
)
def test_amounts_are_written_as_in_a_document(value: float | str | None, unit: str, shown: str) -> None:
    assert verify.amount(value, unit) == shown


@pytest.mark.parametrize("state", ["cancelled", "done"])
def test_an_interrupt_cancels_it(
    run: Run, manager: FakeManager, answer: End, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    answer("done", [HOLDS])
    manager.answers["DELETE", f"{PATH}/v1"] = httpx2.Response(200, json={**ASKED, "state": state})
    monkeypatch.setattr(verify, "_wait", interrupted)
    ran = run("verify", "web")
    assert ran.code == 130
    assert f"{state}: no more probes are sent" in ran.err


def test_too_few_probes_are_no_success(run: Run, answer: End) -> None:
    answer("done", [HOLDS, OPEN])
    ran = run("verify", "web")
    assert ran.code == 1
    assert ran.out.splitlines()[2].endswith("too few")
    assert "too few probes to tell (more with --probes or --at-most): egress jitter" in ran.err


def test_a_statement_is_shown_in_words(run: Run, answer: End) -> None:
    answer("done", [OPENING])
    assert "egress     default: any flow  passes     passes    -         yes" in run("verify", "web").out


def test_how_it_goes_is_told_once_each(run: Run, manager: FakeManager, answer: End) -> None:
    answer("done", [HOLDS])
    stages: list[Json] = [
        {"state": "pending", "position": 2},
        {"state": "pending", "position": 2},
        {"state": "running", "position": 0, "takes_s": 12.34},
        {"state": "done", "message": "", "rows": [HOLDS]},
    ]
    manager.answers["GET", f"{PATH}/v1"] = [httpx2.Response(200, json={**ASKED, **stage}) for stage in stages]
    told = [line for line in run("verify", "web").err.splitlines() if "verifying web" in line]
    assert told == [
        "verifying web: asked the agent",
        "verifying web: 2 of the same host come first",
        "verifying web: takes about 12.3 s",
    ]


def test_json_is_the_verification(run: Run, answer: End) -> None:
    answer("done", [HOLDS])
    assert run("verify", "web", "-o", "json").json["rows"] == [HOLDS]


def test_a_failure_says_why(run: Run, answer: End) -> None:
    answer("failed", [], "the interface is gone")
    ran = run("verify", "web")
    assert (ran.code, ran.out) == (1, "")
    assert "the interface is gone" in ran.err


def test_an_agent_that_never_answers_is_given_up(
    run: Run, manager: FakeManager, answer: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer("done", [HOLDS])
    manager.answers["GET", f"{PATH}/v1"] = httpx2.Response(
        200, json={"workload_id": "web", "verification_id": "v1", "state": "pending"}
    )
    monkeypatch.setattr(verify, "GRACE_S", -1000)
    ran = run("verify", "web")
    assert ran.code == 1
    assert "no result within" in ran.err


def test_an_unknown_workload_is_told_before_anything_is_sent(run: Run, manager: FakeManager) -> None:
    manager.add_workload("web")
    assert "did you mean web?" in run("verify", "wbe").err
    assert manager.sent("POST") == []
