"""The two listeners, tokens, the way a manager starts and the way it stops."""

from __future__ import annotations

import os
import signal
import socket
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import ExitStack
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
    assert b"status=400" in line
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
    assert client.head("/metrics").status_code == 200
    for path in ("/a%1b%e2%80%ae", "/v1/presets?%0a=%e2%80%ae", "/v1/personas/x?limit=%1b"):
        assert client.get(path).status_code == 400
    odd = {"Content-Type": "application/\u202e".encode()}
    assert client.post("/v1/personas", content=b"{}", headers=odd).status_code == 415  # type: ignore[arg-type]
    assert client.post("/v1/workloads", content='{"\u202e\\ud800": 1}'.encode()).status_code == 422
    assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 421
    assert client.post("/v1/personalities", json={"latencyMs": 1}).status_code == 201
    with client.stream("GET", "/v1/workloads?watch=1", headers={"Accept": "text/event-stream"}) as stream:
        assert next(stream.iter_lines()).startswith("id: ")


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:9000", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8470", 200),
        ("lab.example", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("[::2]", 421),
        ("", 421),
    ],
)
def test_no_listener_answers_to_the_name_of_another(named: Any, host: str, status: int) -> None:
    for client in (named.unix(), named.tcp(named.token)):
        with client:
            for path in ("/v1/personas", "/healthz"):
                answer = client.get(path, headers={"Host": host})
                assert answer.status_code == status
                assert status == 200 or answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("localhost:9000", "http://localhost:9000", 201),
        ("lab.example", "https://lab.example", 201),
        ("localhost:9000", "http://localhost:3000", 403),
        ("localhost:9000", "http://evil.example", 403),
        ("localhost:9000", "null", 403),
    ],
)
def test_no_page_of_another_site_may_ask(named: Any, host: str, origin: str, status: int) -> None:
    for client in (named.unix(), named.tcp(named.token)):
        with client:
            headers = {"Host": host, "Origin": origin}
            answer = client.post("/v1/personalities", json={"latencyMs": 1}, headers=headers)
            assert answer.status_code == status


@pytest.fixture(scope="module")
def named(start: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with start(tmp_path_factory.mktemp("named"), "--allow-host", "lab.example") as running:
        yield running


def test_half_sent_requests_keep_nobody_out(start: Any, tmp_path: Path) -> None:
    """300 strangers on each listener, far more than there are descriptors."""
    with (
        start(tmp_path, enter=["prlimit", "--nofile=200:200"]) as running,
        running.unix() as agent,
        agent.stream("GET", "/v1/workloads?watch=1") as watch,
        ExitStack() as strangers,
    ):
        lines = watch.iter_lines()
        assert "BOOKMARK" in next(lines)
        addresses = [("127.0.0.1", running.port), str(running.path)] * 300
        first = [strangers.enter_context(_half_sent(address)) for address in addresses][:20]
        with running.unix() as another, running.tcp(running.token) as remote:
            assert another.put("/v1/hosts/local", json={}).status_code == 200
            assert remote.post("/v1/personas", json={"persona_id": "p"}).status_code == 201
            another.post("/v1/workloads", json={"workload_id": "w", "kind": "vm", "interface": "tap0"})
        assert "ADDED" in next(lines)
        assert all(_turned_away(stranger) for stranger in first)


def _turned_away(stranger: socket.socket) -> bool:
    try:
        return stranger.recv(100).startswith(b"HTTP/1.1 503")
    except ConnectionResetError:  # before its words were read
        return True


def _half_sent(address: Any) -> socket.socket:
    stranger = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
    stranger.connect(address)
    stranger.settimeout(5)
    stranger.sendall(b"GET /v1/personas HTTP/1.1\r\nHost: loc")
    return stranger
