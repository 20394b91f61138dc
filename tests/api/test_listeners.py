"""The two listeners, tokens, the way a manager starts and the way it stops."""

from __future__ import annotations

import os
import signal
import sys
import sysconfig
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest


def test_tcp_needs_the_token(shared: Any) -> None:
    for token in (None, "wrong"):
        with shared.tcp(token) as client:
            refused = client.get("/v1/personas")
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"].startswith("Bearer")
            assert shared.token not in refused.text
            assert client.get("/metrics").status_code == 401
            assert client.get("/nowhere").status_code == 401
            assert client.get("/healthz").status_code == 200
    with shared.tcp(shared.token) as client:
        assert client.get("/v1/personas").status_code == 200


def test_both_listeners_show_one_store(shared: Any) -> None:
    with shared.unix() as unix, shared.tcp(shared.token) as tcp:
        assert tcp.post("/v1/personas", json={"persona_id": "both"}).status_code == 201
        assert unix.get("/v1/personas/both").status_code == 200


def test_the_token_is_not_in_the_log(shared: Any) -> None:
    assert shared.token not in (shared.state / "log").read_text()


def test_a_request_cannot_write_its_own_log_lines(shared: Any) -> None:
    with shared.unix() as client:
        client.get("/forged%0Alevel=warning%0D%1B[2J%C2%85")
    log = (shared.state / "log").read_bytes()
    line = next(line for line in log.split(b"\n") if b"/forged" in line)
    assert b"status=404" in line
    assert line.decode().isprintable()


def test_sigterm_ends_open_watches_and_waits(start: Any, tmp_path: Path) -> None:
    with start(tmp_path) as running, running.unix() as client, running.unix() as other:
        client.post("/v1/workloads", json={"workload_id": "w", "kind": "vm", "interface": "tap0"})
        client.post("/v1/personas", json={"persona_id": "p"})
        answers: list[int] = []

        def wait() -> None:
            path = "/v1/workloads/w/persona?wait=60s"
            answers.append(other.put(path, json={"persona_id": "p"}, timeout=60).status_code)

        with client.stream("GET", "/v1/workloads?watch=1") as stream:
            lines = stream.iter_lines()
            waiting = threading.Thread(target=wait)
            while "BOOKMARK" not in next(lines):
                pass
            waiting.start()
            assert "MODIFIED" in next(lines)
            took = running.stop()
            assert list(lines) == []
        waiting.join(timeout=5)
        assert answers == [202]
        assert running.process.returncode == 0
        assert took < 2.5


def test_a_second_manager_on_the_same_state_says_why(start: Any, tmp_path: Path) -> None:
    with start(tmp_path), pytest.raises(AssertionError, match="in use by another manager"), start(tmp_path):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root")
def test_root_is_given_up_although_the_interpreter_is_out_of_reach(start: Any, tmp_path: Path) -> None:
    """Everything that Python imports lies under a directory that only root may enter, as in a 0700 home."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    links = {
        "base": sys.base_prefix,
        "site": sysconfig.get_path("purelib"),
        "src": str(Path(__file__).parents[2] / "src"),
    }
    for name, target in links.items():
        (home / name).symlink_to(target)
    environment = {"PYTHONHOME": str(home / "base"), "PYTHONPATH": f"{home / 'src'}:{home / 'site'}"}
    tmp_path.chmod(0o711)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o711)
    uid = 65534
    with start(tmp_path, "--uid", str(uid), "--gid", str(uid), environment=environment) as running:
        status = Path(f"/proc/{running.process.pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert set(fields["Uid"].split()) == set(fields["Gid"].split()) == {str(uid)}
        assert fields["Groups"].split() == []
        assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0
        assert fields["NoNewPrivs"] == "1"
        assert (tmp_path / "manager" / "netpersona.db").stat().st_uid == uid
        assert (tmp_path / "manager").stat().st_mode & 0o777 == 0o700
        with running.unix() as client:
            _walk(client)
        with running.tcp(running.token) as client:
            assert client.get("/v1/personas").status_code == 200
        assert running.stop(signal.SIGTERM) < 2.5
        log = (tmp_path / "log").read_text()
        assert "level=error" not in log
        assert "Traceback" not in log


def _walk(client: httpx2.Client) -> None:
    """Ways that load modules late, if any still do."""
    yaml = {"Content-Type": "application/yaml"}
    assert client.post("/v1/personas", content="persona_id: y\nmtu: 1400\n", headers=yaml).status_code == 201
    assert client.post("/v1/personas", content="persona_id: y\nmtu: x\n", headers=yaml).status_code == 422
    normal = {"latency": "100ms", "jitter": "10ms", "distribution": "paretonormal", "correlation": "25%"}
    persona = {"persona_id": "n", "ingress": normal, "filtering_rules": [{"source": "2001:db8::/32"}]}
    assert client.post("/v1/personas", json=persona).status_code == 201
    workload = {"workload_id": "w", "kind": "vm", "interface": "tap0"}
    assert client.post("/v1/workloads", json=workload).status_code == 201
    assert client.put("/v1/workloads/w/persona?dry_run=1", json={"persona_id": "n"}).status_code == 200
    assert client.post("/v1/workloads/w/verifications", json={}).status_code == 202
    assert client.get("/v1/presets").status_code == 200
    assert client.get("/openapi.json").status_code == 200
    assert client.get("/metrics").status_code == 200
    assert client.post("/v1/personalities", json={"latencyMs": 1}).status_code == 201
    with client.stream("GET", "/v1/workloads?watch=1", headers={"Accept": "text/event-stream"}) as stream:
        assert next(stream.iter_lines()).startswith("id: ")
