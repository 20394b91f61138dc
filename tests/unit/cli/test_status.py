"""status: what runs, and how late the engine is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.unit.cli.conftest import FakeManager, Run, assignment

from netpersona.cli.status import lateness
from netpersona.client import Unreachable
from netpersona.datapath.processes import identify, write_pidfile
from netpersona.kinds.host import HOST as HOST_KIND

HOST = {
    "host": "local",
    "seen_at": "2030-01-01T00:00:00Z",
    "engine": {"alive": True, "lateness": [0] * 10 + [98, 0, 0, 0, 2]},
}


@pytest.mark.parametrize(
    ("histogram", "quantile", "shown"),
    [
        ([], 0.5, "-"),
        ([0, 0], 0.99, "-"),
        ([0] * 10 + [98, 0, 0, 0, 2], 0.5, "< 1.02 µs"),
        ([0] * 10 + [98, 0, 0, 0, 2], 0.99, "< 16.4 µs"),
        ([0] * 21 + [1], 0.5, "< 2.1 ms"),
        ([0] * 31 + [1], 0.5, "< 2.15 s"),
    ],
)
def test_lateness_is_the_upper_bound_of_the_bucket_that_holds_the_quantile(
    histogram: list[int], quantile: float, shown: str
) -> None:
    assert lateness(histogram, quantile) == shown


@pytest.fixture
def running(tmp_path: Path) -> str:
    """A run directory whose three processes are all this one."""
    process = identify(os.getpid())
    assert process is not None
    for name in ("manager", "agent", "engine"):
        write_pidfile(tmp_path / f"{name}.pid", process)
    return str(tmp_path)


def test_all_running_exits_0_and_shows_lateness_and_workloads(
    run: Run, manager: FakeManager, running: str
) -> None:
    manager.hosts["local"] = HOST
    manager.add_workload("web")
    ran = run("status", "--run-dir", running)
    assert (ran.code, ran.err) == (0, "")
    assert "engine      running" in ran.out
    assert "< 1.02 µs" in ran.out
    assert ran.out.splitlines()[-1].split()[:2] == ["web", "-"]


def test_each_workload_shows_what_became_of_its_packets(run: Run, manager: FakeManager, running: str) -> None:
    manager.add_workload(
        "web",
        assignment=assignment(assigned_at="2020-01-01T00:00:00Z"),
        status={
            "phase": "attached",
            "applied_sequence": 0,
            "warnings": ["the queue is short"],
            "counters": {"egress": {"passed": {"packets": 1500}, "detoured": {"packets": 1400}}},
            "lanes": {"egress": {"emitted": 1390, "lost": 10}},
        },
    )
    ran = run("status", "--run-dir", running)
    row = ran.out.splitlines()[-1]
    assert row.startswith("web       slow@3")
    assert row.endswith("d ago  -        1,490   0        10 loss  attached")
    assert ran.err == "warning: web: the queue is short\n"


def test_a_manager_that_does_not_answer_is_not_called_stopped(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("netpersona.cli.status._asked", _unreachable)
    ran = run("status", "--server", "http://elsewhere:1")
    assert (ran.code, ran.out) == (1, "")


def _unreachable(*_: object) -> None:
    raise Unreachable("cannot reach the manager", "check --server")


def test_one_that_does_not_run_exits_1(run: Run, running: str) -> None:
    (Path(running) / "engine.pid").unlink()
    ran = run("status", "--run-dir", running)
    assert ran.code == 1
    assert "engine      stopped" in ran.out
    assert "manager     running" in ran.out


def test_json_holds_everything(run: Run, manager: FakeManager, running: str) -> None:
    manager.hosts["local"] = HOST
    data = run("status", "--run-dir", running, "-o", "json").json
    assert [HOST_KIND.load(host) for host in data["hosts"]] == [HOST_KIND.load(HOST)]
    assert {process["process"]: process["pid"] for process in data["processes"]}["agent"] == os.getpid()


def test_a_manager_elsewhere_says_nothing_about_processes_here(run: Run, manager: FakeManager) -> None:
    manager.hosts["local"] = HOST
    ran = run("status", "--server", "http://elsewhere:1")
    assert ran.code == 0
    assert "PROCESS" not in ran.out
