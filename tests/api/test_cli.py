"""The command line as processes against a real manager process, without a data path."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

READY_S = 20.0
COMMAND_S = 20.0
Command = subprocess.CompletedProcess[str]
Run = Callable[..., Command]


@dataclass(frozen=True)
class Manager:
    process: subprocess.Popen[bytes]
    run_dir: Path
    state_dir: Path
    url: str

    @property
    def token_file(self) -> Path:
        return self.state_dir / "manager" / "token"

    def client(self) -> httpx2.Client:
        transport = httpx2.HTTPTransport(uds=str(self.run_dir / "api.sock"))
        return httpx2.Client(transport=transport, base_url="http://netpersona", timeout=READY_S)


@pytest.fixture(scope="module")
def manager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    run_dir, state_dir = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("state")
    with socket.socket(socket.AF_UNIX) as unix, socket.create_server(("127.0.0.1", 0)) as tcp:
        unix.bind(str(run_dir / "api.sock"))
        unix.listen()
        listeners = ["--fd-unix", str(unix.fileno()), "--fd-tcp", str(tcp.fileno())]
        command = [sys.executable, "-m", "netpersona.control", *listeners, "--state-dir", str(state_dir)]
        with (run_dir / "log").open("wb") as log:
            process = subprocess.Popen(
                command, pass_fds=(unix.fileno(), tcp.fileno()), stdout=log, stderr=log
            )
        url = f"http://127.0.0.1:{tcp.getsockname()[1]}"
    try:
        running = Manager(process, run_dir, state_dir, url)
        with running.client() as client:
            assert client.get("/readyz").is_success, (run_dir / "log").read_text()
        yield running
    finally:
        process.terminate()
        process.wait(READY_S)


@pytest.fixture
def netpersona(manager: Manager) -> Run:
    def run(*argv: str, stdin: str = "", **environment: str) -> Command:
        return subprocess.run(
            command_line(*argv),
            input=stdin,
            text=True,
            capture_output=True,
            timeout=COMMAND_S,
            env=environ(manager) | environment,
        )

    return run


def command_line(*argv: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "netpersona.cli", *argv]


def environ(manager: Manager) -> dict[str, str]:
    own = {"NETPERSONA_RUN_DIR": str(manager.run_dir), "NETPERSONA_STATE_DIR": str(manager.state_dir)}
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("NETPERSONA_")}
    return inherited | own


@pytest.fixture
def agent(manager: Manager) -> Iterator[None]:
    """Says that everything the manager holds has been applied, until the workload `bell` appears."""

    def follow(client: httpx2.Client, lines: Iterator[str]) -> None:
        for event in map(json.loads, lines):
            workload = event["object"]
            if workload.get("workload_id") == "bell":
                return
            if event["type"] in ("ADDED", "MODIFIED"):
                status = {"phase": "attached", "applied_sequence": workload["sequence"]}
                client.put(f"/v1/workloads/{workload['workload_id']}/status", json=status)

    with (
        manager.client() as client,
        manager.client() as watcher,
        watcher.stream("GET", "/v1/workloads", params={"watch": "1"}) as answer,
    ):
        thread = threading.Thread(target=follow, args=(client, answer.iter_lines()))
        thread.start()
        yield
        with manager.client() as ringer:
            ringer.post(
                "/v1/workloads", json={"workload_id": "bell", "kind": "interface", "interface": "bell"}
            )
            thread.join(READY_S)
            ringer.delete("/v1/workloads/bell")


@pytest.fixture
def web(netpersona: Run) -> Iterator[str]:
    added = netpersona("workload", "add", "web", "--netns", "web", "--interface", "eth0", "--wait", "0s")
    assert added.returncode == 0, added.stderr
    yield "web"
    netpersona("workload", "remove", "web")


@pytest.fixture
def link(tmp_path: Path) -> str:
    path = tmp_path / "link.yaml"
    path.write_text("persona_id: link\negress: {latency: 20ms}\n")
    return str(path)


@pytest.mark.usefixtures("agent")
def test_the_life_of_a_persona_on_a_workload(netpersona: Run, web: str, link: str) -> None:
    steps = [
        ("apply", "-f", link),
        ("assign", web, "link"),
        ("assign", web, "atc-3g-good", "--ttl", "1h"),
        ("rollback", web),
        ("release", web),
        ("delete", "persona", "link"),
    ]
    for step in steps:
        done = netpersona(*step)
        assert (done.returncode, done.stderr) == (0, ""), step
    worn = json.loads(netpersona("get", "workload", web, "-o", "json").stdout)
    assert worn["assignment"] is None


@pytest.mark.usefixtures("agent")
def test_every_view_of_what_is_there(netpersona: Run, web: str, link: str) -> None:
    netpersona("assign", web, "-f", link)
    for argv in (["get", "personas"], ["get", "workloads"], ["describe", "web"], ["describe", "link"]):
        shown = netpersona(*argv)
        assert (shown.returncode, shown.stderr) == (0, ""), argv
        assert "link" in shown.stdout
    assert json.loads(netpersona("get", "personas", "-o", "json").stdout)[0]["in_use_by"] == [web]
    assert netpersona("get", "workloads", "-o", "name").stdout == "web\n"
    netpersona("release", web)
    netpersona("delete", "persona", "link")


def test_twice_in_a_row_is_the_same_as_once(netpersona: Run, web: str, link: str) -> None:
    first, second = netpersona("apply", "-f", link), netpersona("apply", "-f", link)
    assert (first.returncode, second.returncode) == (0, 0)
    assert ("created" in first.stdout, "unchanged" in second.stdout) == (True, True)
    again = netpersona("workload", "add", web, "--netns", "web", "--interface", "eth0", "--wait", "0s")
    assert again.returncode == 0
    assert netpersona("delete", "persona", "link").returncode == 0
    assert netpersona("delete", "persona", "link").returncode == 1


def test_a_persona_in_use_is_not_deleted(netpersona: Run, web: str, link: str) -> None:
    netpersona("assign", web, "-f", link, "--wait", "0s")
    refused = netpersona("delete", "persona", "link")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert web in refused.stderr
    netpersona("release", web, "--wait", "0s")
    assert netpersona("delete", "persona", "link").returncode == 0


def test_without_an_agent_assign_says_that_it_is_not_in_force(netpersona: Run, web: str) -> None:
    done = netpersona("assign", web, "atc-3g-good", "--wait", "50ms")
    assert done.returncode == 1
    assert "no agent has applied it" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["assign", "wbe", "atc-3g-good"], 1, "did you mean web?"),
        (["assign", "web", "atc-3g-godo"], 1, "did you mean atc-3g-good?"),
        (["get", "workloads", "wbe"], 1, "did you mean web?"),
        (["describe", "wbe"], 1, "did you mean web?"),
        (["workload", "add", "a b", "--interface", "eth0"], 1, "/workload_id"),
        (["workload", "add", "x", "--interface", "a/b"], 1, "/interface"),
        (["rollback", "web"], 1, "wore nothing before"),
        (["get", "wrokloads"], 2, "did you mean workloads?"),
        (["assign", "web", "x", "--ttl", "60"], 2, "has no unit"),
    ],
)
@pytest.mark.usefixtures("web")
def test_a_mistake_is_one_clear_line_on_stderr(
    netpersona: Run, argv: list[str], code: int, said: str
) -> None:
    done = netpersona(*argv)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_file_among_good_ones_changes_nothing_and_is_told_with_its_line(
    netpersona: Run, link: str, tmp_path: Path
) -> None:
    bad = tmp_path / "worse.yaml"
    bad.write_text("persona_id: worse\n\nmtu: 7\n")
    done = netpersona("apply", "-f", link, "-f", str(bad))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{bad}:3:")
    assert netpersona("get", "personas").stdout == ""


def test_a_document_may_come_through_a_pipe(netpersona: Run) -> None:
    done = netpersona("apply", "-f", "-", "--dry-run", stdin="persona_id: piped\n")
    assert done.returncode == 0, done.stderr
    assert netpersona("get", "personas", "-o", "json").stdout == "[]\n"


def test_tcp_takes_the_token_of_this_machine_or_of_a_file(
    netpersona: Run, manager: Manager, tmp_path: Path
) -> None:
    assert netpersona("get", "hosts", "--server", manager.url).returncode == 0
    elsewhere = {"NETPERSONA_STATE_DIR": str(tmp_path)}
    refused = netpersona("get", "hosts", "--server", manager.url, **elsewhere)
    assert refused.returncode == 1
    assert "token" in refused.stderr
    with_file = netpersona(
        "get", "hosts", "--server", manager.url, "--token-file", str(manager.token_file), **elsewhere
    )
    assert with_file.returncode == 0, with_file.stderr


def test_completion_knows_the_names_of_the_manager(netpersona: Run, web: str) -> None:
    line = {"COMP_WORDS": "netpersona assign w", "COMP_CWORD": "2", "_NETPERSONA_COMPLETE": "complete_bash"}
    assert netpersona(**line).stdout.split() == [web]


def test_completion_without_a_manager_is_silent(netpersona: Run, tmp_path: Path) -> None:
    line = {"COMP_WORDS": "netpersona assign w", "COMP_CWORD": "2", "_NETPERSONA_COMPLETE": "complete_bash"}
    done = netpersona(**line, NETPERSONA_RUN_DIR=str(tmp_path))
    assert (done.stdout.strip(), done.stderr) == ("", "")


def watching(manager: Manager) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command_line("watch", "workloads"),
        env=environ(manager),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_watch_prints_changes_as_they_happen_until_ctrl_c(
    netpersona: Run, manager: Manager, web: str
) -> None:
    with watching(manager) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline().startswith("ADDED     workload/web")
        netpersona("assign", web, "atc-3g-good", "--wait", "0s")
        assert "atc-3g-good" in watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        out, err = watch.communicate(timeout=COMMAND_S)
    assert (watch.returncode, out, err) == (130, "", "")


def test_a_reader_that_goes_away_ends_watch_without_a_traceback(
    netpersona: Run, manager: Manager, web: str
) -> None:
    with watching(manager) as watch:
        assert watch.stdout is not None
        watch.stdout.readline()
        watch.stdout.close()
        netpersona("assign", web, "atc-3g-good", "--wait", "0s")
        assert watch.wait(COMMAND_S) == 1
        assert watch.stderr is not None
        assert watch.stderr.read() == ""


def test_a_full_disk_is_told_without_a_traceback(manager: Manager) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command_line("presets"), stdout=full, stderr=subprocess.PIPE, text=True, env=environ(manager)
        )
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "No space left" in done.stderr


def test_status_says_what_does_not_run(netpersona: Run) -> None:
    done = netpersona("status")
    assert done.returncode == 1
    assert "engine      stopped" in done.stdout


def test_a_manager_that_does_not_run_is_told_with_the_remedy(netpersona: Run, tmp_path: Path) -> None:
    done = netpersona("get", "personas", "--run-dir", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert "sudo netpersona up" in done.stderr
