"""Adaptation and personas made on the fly: the command line against a real manager, measurements by hand."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.api.conftest import Manager

PATIENCE_S = 30.0
POLICY = """\
policy_id: NAME
rules:
  - {when: loss > 2% for 1s, persona: atc-edge-lossy}
default: atc-3g-good
dwell: 1s
"""


def run(shared: Manager, *argv: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NETPERSONA_")}
    return subprocess.run(
        [sys.executable, "-m", "netpersona.cli", "--server", f"unix:{shared.path}", *argv],
        text=True,
        capture_output=True,
        timeout=60,
        env=environment,
    )


def worn(client: httpx2.Client, workload: str) -> str | None:
    assignment = client.get(f"/v1/workloads/{workload}").json()["assignment"]
    return assignment["persona_id"] if assignment else None


def until(happens: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextmanager
def measuring(shared: Manager, workload: str, loss: float) -> Iterator[None]:
    """Reports what an agent would, again and again."""
    ended = threading.Event()
    measured = {"interval_s": 1.0, "egress": {"loss": loss}}

    def report() -> None:
        with shared.unix() as client:
            while not ended.wait(0.2):
                body = {"phase": "attached", "measured": measured}
                client.put(f"/v1/workloads/{workload}/status", json=body).raise_for_status()

    thread = threading.Thread(target=report)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.fixture
def adapted(shared: Manager, client: httpx2.Client, tmp_path: Path) -> str:
    name = f"adapted-{tmp_path.name[-12:].strip('-_').replace('_', '-')}"
    body = {"workload_id": name, "kind": "interface", "interface": "lo"}
    client.post("/v1/workloads", json=body).raise_for_status()
    (tmp_path / "policy.yaml").write_text(POLICY.replace("NAME", name))
    done = run(shared, "adapt", "enable", name, "--policy", str(tmp_path / "policy.yaml"))
    assert done.returncode == 0, done.stderr
    return name


def test_a_policy_switches_and_says_why(shared: Manager, client: httpx2.Client, adapted: str) -> None:
    with measuring(shared, adapted, 0.0):
        until(lambda: worn(client, adapted) == "atc-3g-good")
    with measuring(shared, adapted, 0.05):
        until(lambda: worn(client, adapted) == "atc-edge-lossy")
        explained = run(shared, "adapt", "explain", adapted).stdout
    assert f"policy    {adapted}" in explained
    assert "rule 1 holds (loss > 2% for 1s): loss is 5%" in explained
    log = json.loads(run(shared, "adapt", "log", adapted, "-o", "json").stdout)
    assert [line["persona"] for line in log] == ["atc-3g-good", "atc-edge-lossy"]
    table = run(shared, "adapt", "log", adapted).stdout
    assert table.startswith("WHEN ")
    assert "rule 1 holds" in table
    described = run(shared, "describe", "workload", adapted).stdout
    assert f"adapts by   {adapted}" in described
    assert run(shared, "delete", "policy", adapted).returncode == 1, "it is in use"


def test_who_assigns_by_hand_pauses_it(shared: Manager, client: httpx2.Client, adapted: str) -> None:
    with measuring(shared, adapted, 0.0):
        until(lambda: worn(client, adapted) == "atc-3g-good")
        assert run(shared, "assign", adapted, "starlink", "--wait", "0s").returncode == 0
        time.sleep(1.5)  # three passes
        assert worn(client, adapted) == "starlink"
    assert "paused: root changed what it wears" in run(shared, "adapt", "explain", adapted).stdout
    assert run(shared, "adapt", "disable", adapted).returncode == 0
    missing = run(shared, "adapt", "explain", adapted)
    assert missing.returncode == 1
    assert "does not adapt" in missing.stderr


def test_the_kill_switch_is_for_all(start: Any, tmp_path: Path) -> None:
    with start(tmp_path) as running:
        assert run(running, "adapt", "off").returncode == 2
        assert run(running, "adapt", "off", "--all").stdout == "nothing adapts any longer (0 workloads did)\n"
        with running.unix() as client:
            state = client.get("/v1/adaptation").json()
            assert (state["enabled"], state["changed_by"]) == (False, "root")
        assert run(running, "adapt", "on", "--all").returncode == 0


def test_unknown_names_are_told(shared: Manager, adapted: str) -> None:
    for words in (
        ("enable", adapted, "--policy", "no-such"),
        ("enable", "no-such", "--policy", adapted),
        ("disable", "no-such"),
        ("log", "no-such"),
        ("explain", "no-such"),
    ):
        done = run(shared, "adapt", *words)
        assert done.returncode == 1
        assert "there is no" in done.stderr


def test_a_persona_is_written_for_an_application(
    shared: Manager, client: httpx2.Client, adapted: str, tmp_path: Path
) -> None:
    dry = run(shared, "create", "--for", "voip", "--on", adapted, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert "RFC 4594 section 4.1" in dry.stdout
    assert client.get(f"/v1/personas/voip-for-{adapted}").status_code == 404
    document = run(shared, "create", "--for", "voip", "--on", adapted, "--dry-run", "-o", "yaml").stdout
    (tmp_path / "written.yaml").write_text(document)
    assert run(shared, "validate", str(tmp_path / "written.yaml")).returncode == 0
    done = run(shared, "create", "--for", "voip,bandwidth=200kbit", "--on", adapted)
    assert done.returncode == 0, done.stderr
    assert worn(client, adapted) == f"voip-for-{adapted}"
    assert "written for" in run(shared, "describe", "persona", f"voip-for-{adapted}").stdout
    for wrong in ("fax", "speed=1mbit", "bandwidth=", ""):
        assert run(shared, "create", "--for", wrong, "--on", adapted, "--dry-run").returncode != 0


def test_a_manager_that_is_killed_goes_on_with_what_it_has_logged(start: Any, tmp_path: Path) -> None:
    """A switch, its line in the log and what is remembered of it are one commit."""
    with start(tmp_path) as running:
        with running.unix() as client:
            policy = {
                "rules": [{"when": "loss > 2%", "persona": "atc-edge-lossy"}],
                "default": "atc-3g-good",
                "dwell": "100ms",
                "max_switches": {"count": 1000, "within": "10min"},
            }
            workload = {"workload_id": "web", "kind": "interface", "interface": "lo"}
            for path, body in (
                ("/v1/policies", {"policy_id": "jumpy", **policy}),
                ("/v1/workloads", workload),
            ):
                client.post(path, json=body).raise_for_status()
            client.put("/v1/workloads/web/adaptation", json={"policy_id": "jumpy"}).raise_for_status()
        for loss in (0.0, 0.05, 0.0):
            with measuring(running, "web", loss), running.unix() as client:
                wanted = "atc-edge-lossy" if loss else "atc-3g-good"
                until(lambda: worn(client, "web") == wanted)  # noqa: B023
        running.stop(signal.SIGKILL)
    with start(tmp_path) as again, again.unix() as client:
        log = client.get("/v1/workloads/web/adaptation/decisions").json()["items"]
        assert worn(client, "web") == log[-1]["persona"]
        assert [line["result"] for line in log] == ["done"] * 3
        with measuring(again, "web", 0.05):
            until(lambda: worn(client, "web") == "atc-edge-lossy")
