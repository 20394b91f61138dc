"""What is worn and not in force is said, with an exit code, wherever workloads are shown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.cli.conftest import FakeManager, Json, Run, assignment
from tests.unit.cli.conftest import workload as resource

from netpersona.cli import force
from netpersona.cli.errors import CliError
from netpersona.client import Client
from netpersona.kinds.workload import WORKLOAD, Workload

ASSIGNMENT = assignment(assigned_at="2020-01-01T00:00:00Z")
ALIVE = {"alive": True, "heartbeat_age_ns": 1000}
DEAD = {"alive": False, "heartbeat_age_ns": 3_000_000_000}
STOPPED = {"alive": False, "heartbeat_age_ns": None}
BUSY = {"alive": False, "heartbeat_age_ns": 300_000_000}
SHOWN = (["get", "workloads"], ["get", "workload", "web", "-o", "json"], ["describe", "workload", "web"])


@pytest.fixture
def worn(manager: FakeManager) -> FakeManager:
    manager.add_persona(persona_id="slow", egress={"latency": "20ms"})
    manager.add_workload("web", assignment=ASSIGNMENT)
    report(manager, ALIVE)
    return manager


def report(manager: FakeManager, engine: dict[str, Any], age_s: float = 0) -> None:
    seen = datetime.now(UTC) - timedelta(seconds=age_s)
    manager.hosts["local"] = {"host": "local", "seen_at": seen.isoformat(), "engine": engine}


@pytest.mark.parametrize("argv", SHOWN)
@pytest.mark.parametrize("engine", [ALIVE, BUSY])
def test_with_an_engine_there_is_nothing_to_say(
    run: Run, worn: FakeManager, argv: list[str], engine: dict[str, Any]
) -> None:
    report(worn, engine)
    ran = run(*argv)
    assert (ran.code, ran.err) == (0, "")


@pytest.mark.parametrize("argv", [*SHOWN, ["status", "--server", "http://elsewhere:1"]])
@pytest.mark.parametrize("engine", [DEAD, STOPPED])
def test_without_one_conditions_are_not_in_force(
    run: Run, worn: FakeManager, argv: list[str], engine: dict[str, Any]
) -> None:
    report(worn, engine)
    ran = run(*argv)
    assert ran.code == 1
    assert "web" in ran.out
    assert "the conditions of web are NOT in force" in ran.err
    assert "netpersona up" in ran.err


def test_a_persona_without_conditions_needs_no_engine(run: Run, worn: FakeManager) -> None:
    worn.add_persona(persona_id="slow", default_action="drop")
    report(worn, DEAD)
    assert run("get", "workloads").code == 0


def test_nothing_worn_is_nothing_missed(run: Run, worn: FakeManager) -> None:
    worn.add_workload("web")
    report(worn, DEAD)
    assert run("get", "workloads").code == 0


@pytest.mark.parametrize("argv", SHOWN)
def test_a_silent_agent_is_not_believed(run: Run, worn: FakeManager, argv: list[str]) -> None:
    report(worn, ALIVE, age_s=60)
    ran = run(*argv)
    assert ran.code == 1
    assert "has not reported for 60s" in ran.err
    assert "not known" in ran.err


def test_assign_waits_for_news_of_an_engine_that_was_still(
    run: Run, worn: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    applied = datetime.now(UTC).isoformat()
    status = {
        "phase": "attached",
        "message": "",
        "applied_sequence": 0,
        "observed_at": applied,
        "engine": DEAD,
    }
    worn.add_workload("web", assignment=ASSIGNMENT, status=status)
    report(worn, DEAD, age_s=5)
    monkeypatch.setattr("netpersona.cli.force.time.sleep", lambda _: report(worn, ALIVE))
    assert run("rollback", "web").code == 0
    monkeypatch.setattr("netpersona.cli.force.time.sleep", lambda _: report(worn, DEAD))
    report(worn, DEAD, age_s=5)
    ran = run("rollback", "web")
    assert ran.code == 1
    assert "NOT in force" in ran.err


@pytest.mark.parametrize(("phase", "code"), [("attached", 0), ("missing", 0), ("error", 1), ("refused", 1)])
def test_status_exits_1_when_a_workload_is_in_error(
    run: Run, worn: FakeManager, phase: str, code: int
) -> None:
    worn.add_workload("web", status={"phase": phase, "message": "because", "applied_sequence": 0})
    assert run("status", "--server", "http://elsewhere:1").code == code


def loaded(sequence: int, status: Json | None, **more: Any) -> Workload:
    return WORKLOAD.load(resource("web", sequence=sequence, status=status, **more))


ATTACHED = {"phase": "attached", "applied_sequence": 2}
SEEN, BEHIND, UNSEEN = loaded(2, ATTACHED), loaded(3, ATTACHED), loaded(2, None)


class Answers(Client):
    """Gives one answer after the other, without a manager."""

    def __init__(self, *answers: Workload) -> None:
        self.left = list(answers)

    def find(self, _kind: Any, _name: str) -> Any:
        return self.left.pop(0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(force, "POLL_S", 0)


@pytest.mark.usefixtures("impatient")
def test_polls_until_it_is_reached() -> None:
    api = Answers(UNSEEN, SEEN, BEHIND)
    assert force.poll(api, UNSEEN, force.is_seen, 60) == SEEN
    assert api.left == [BEHIND]


def test_asks_nothing_when_it_is_reached_already_or_without_patience() -> None:
    assert force.poll(Answers(), SEEN, force.is_seen, 60) == SEEN
    assert force.poll(Answers(), UNSEEN, force.is_seen, 0) == UNSEEN


def test_what_is_applied_is_accepted() -> None:
    force.require_applied(SEEN, 2)


@pytest.mark.parametrize("workload", [BEHIND, UNSEEN])
def test_what_is_not_applied_is_an_error_unless_nobody_waited(workload: Workload) -> None:
    with pytest.raises(CliError, match="within 2 s"):
        force.require_applied(workload, 2)
    force.require_applied(workload, 0)


MISSING = {"phase": "missing", "message": "no eth0", "applied_sequence": 2}


def test_a_persona_on_an_interface_that_is_gone_is_an_error_with_the_reason() -> None:
    with pytest.raises(CliError, match="missing: no eth0"):
        force.require_applied(loaded(3, MISSING, assignment=assignment()), 2)


def test_releasing_what_is_gone_is_no_error() -> None:
    force.require_applied(loaded(3, MISSING), 2)
