"""`up` and `down` when something is in the way: what hangs, what is damaged, what belongs to others."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lab.instance import COMMAND, ROLES, Instance, eventually, instance, traces
from lab.namespaces import Lab, lab

from netpersona.cli import INTERRUPTED
from netpersona.datapath.processes import Process
from netpersona.datapath.programs.kernel import map_pin

pytestmark = pytest.mark.netns
LAG = {"persona_id": "lag", "egress": {"latency": "5ms"}}
REPORT_S = 6.0
UP_AFTER_LESS_SILENCE = f"""
import sys
from netpersona.cli import main, roles
roles.REPORT_S = {REPORT_S}
sys.exit(main())
"""
"""`netpersona` that takes an agent for hanging after half the time; it reports every 5 s."""


@pytest.fixture(scope="module")
def network() -> Iterator[Lab]:
    """Where nothing is up before a test, nor after it."""
    with lab() as built:
        yield built


@pytest.fixture
def persona(network: Lab) -> Iterator[Instance]:
    """Not up yet."""
    with instance(network) as made:
        yield made


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Lab]:
    with lab() as built:
        yield built


@pytest.fixture(scope="module")
def bare(elsewhere: Lab) -> list[str]:
    """The traces of that network's host before anything was up."""
    return traces(elsewhere.host)


@pytest.fixture(scope="module")
def shared(elsewhere: Lab, bare: list[str]) -> Iterator[Instance]:  # noqa: ARG001
    with instance(elsewhere) as made:
        yield made


@pytest.fixture
def standing(shared: Instance) -> Instance:
    """Up, without workloads and personas; what a test does to it is put right for the next."""
    shared.clear()
    return shared


def refused(persona: Instance, *arguments: str) -> str:
    """What a command says that fails; and it leaves nothing."""
    before = traces(persona.host)
    answer = persona.command(*arguments, check=False)
    assert answer.returncode == 1
    assert "Traceback" not in answer.stderr
    assert "defect" not in answer.stderr
    assert traces(persona.host) == before
    assert not persona.run_dir.exists()
    return answer.stderr


def process_status(pid: int) -> dict[str, str]:
    text = Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def stopped(standing: Instance, role: str) -> Process:
    process = standing.process(role)
    assert process is not None
    os.kill(process.pid, signal.SIGSTOP)
    return process


@pytest.mark.parametrize("role", ["manager", "engine"])
def test_up_replaces_what_hangs(standing: Instance, elsewhere: Lab, role: str) -> None:
    standing.add(elsewhere.workloads[0])
    hanging = stopped(standing, role)
    standing.command("up")
    _is_replaced(standing, role, hanging)


def test_up_replaces_an_agent_that_reports_no_longer(standing: Instance, elsewhere: Lab) -> None:
    standing.add(elsewhere.workloads[0])
    hanging = stopped(standing, "agent")
    eventually(lambda: _silent_s(standing) > REPORT_S, within_s=30)  # before, nobody can tell
    where = ["--run-dir", str(standing.run_dir), "--state-dir", str(standing.state_dir)]
    up = [sys.executable, "-c", UP_AFTER_LESS_SILENCE, *where, "up", "--no-supervise"]
    elsewhere.host.run(*up, timeout=60)
    _is_replaced(standing, "agent", hanging)


def _silent_s(standing: Instance) -> float:
    seen_at = datetime.fromisoformat(standing.request("GET", "/v1/hosts/local")["seen_at"])
    return (datetime.now(UTC) - seen_at).total_seconds()


def _is_replaced(standing: Instance, role: str, hanging: Process) -> None:
    assert not hanging.alive()
    assert standing.process(role)
    assert standing.put_on(LAG)["phase"] == "attached"


def test_down_ends_what_hangs(standing: Instance, elsewhere: Lab, bare: list[str]) -> None:
    processes = [stopped(standing, role) for role in ROLES]
    standing.command("down")
    assert traces(elsewhere.host) == bare
    assert not any(process.alive() for process in processes)


def test_down_clears_pins_of_another_layout_and_up_says_so(
    standing: Instance, elsewhere: Lab, bare: list[str]
) -> None:
    standing.add(elsewhere.workloads[0])
    for role in ("agent", "engine"):
        standing.kill(role)
    lanes = map_pin(standing.run_dir, "lanes")
    for pin in (lanes, lanes.with_name("prog_np_probe")):
        pin.unlink()
    other = ("type", "array", "key", "4", "value", "8", "entries", "1", "name", "lanes")
    elsewhere.host.run("bpftool", "map", "create", str(lanes), *other)
    said = standing.command("up", check=False)
    assert said.returncode == 1
    assert "another version" in said.stderr
    assert "netpersona down" in said.stderr
    standing.command("down")
    assert traces(elsewhere.host) == bare
    assert not standing.run_dir.exists()
    standing.command("up")


def test_an_interrupted_up_leaves_nothing_and_can_be_repeated(persona: Instance, network: Lab) -> None:
    """Each is repeated by the next, the last by one that nobody interrupts."""
    before = traces(network.host)
    where = ["--run-dir", str(persona.run_dir), "--state-dir", str(persona.state_dir)]
    for after_s in (0.05, 0.3, 0.6, 0.9, 1.2, 1.6, 2.2):
        with network.host.spawn(str(COMMAND), *where, "up") as starting:
            time.sleep(after_s)
            starting.send_signal(signal.SIGINT)
            said = starting.communicate(timeout=30)[0]
        if after_s >= 0.3:  # until then Python itself is still starting
            assert starting.returncode in (0, INTERRUPTED), said
            assert "Traceback (most" not in said
        if starting.returncode == 0:
            persona.command("down")
        assert traces(network.host) == before
        assert not persona.run_dir.exists()
    persona.command("up")
    assert all(persona.process(role) for role in ROLES)
    persona.command("down")
    assert traces(network.host) == before


def test_up_twice_and_down_twice(standing: Instance, elsewhere: Lab, bare: list[str]) -> None:
    running = [standing.process(role) for role in ROLES]
    assert "everything was running already" in standing.command("up").stderr
    assert [standing.process(role) for role in ROLES] == running
    standing.command("down")
    assert "nothing was up" in standing.command("down").stderr
    assert traces(elsewhere.host) == bare


def test_a_port_in_use_leaves_nothing(persona: Instance, network: Lab) -> None:
    with network.host.call(lambda: socket.create_server(("127.0.0.1", 8470))):
        assert "another program listens on 127.0.0.1:8470" in refused(persona, "up")


def test_an_interface_of_somebody_else_is_not_taken_over(persona: Instance, network: Lab) -> None:
    for name in ("np-detour", "np-probe"):
        network.host.run("ip", "link", "add", name, "type", "bridge")
        said = refused(persona, "up")
        assert f"{name} already and it is not ours" in said
        assert "ip link del" in said
        network.host.run("ip", "link", "del", name)
    persona.command("up")


def test_a_second_instance_in_one_namespace_is_refused(standing: Instance, elsewhere: Lab) -> None:
    with instance(elsewhere) as other:
        said = other.command("up", "--listen", "127.0.0.1:0", check=False).stderr
        assert f"belongs to netpersona {standing.run_dir}" in said
    assert all(standing.process(role) for role in ROLES)
    assert "everything was running already" in standing.command("up").stderr


def test_two_instances_live_in_two_namespaces(
    standing: Instance, elsewhere: Lab, persona: Instance, network: Lab
) -> None:
    standing.add(elsewhere.workloads[0])
    persona.command("up")
    persona.add(network.workloads[0])
    assert persona.put_on(LAG)["phase"] == "attached"
    assert standing.put_on(LAG)["phase"] == "attached"
    persona.command("down")
    assert standing.status()["persona_id"] == "lag"


def test_up_needs_root(persona: Instance, network: Lab) -> None:
    where = ["--run-dir", str(persona.run_dir), "--state-dir", str(persona.state_dir)]
    said = network.host.run("unshare", "--user", str(COMMAND), *where, "up", check=False)
    assert said.returncode == 1
    assert "needs root; run `sudo netpersona up`" in said.stderr
    assert not persona.run_dir.exists()


@pytest.mark.parametrize(("options", "reason"), [("ro", "Read-only"), ("size=64k", "full")])
def test_a_disk_that_takes_nothing_is_said(persona: Instance, options: str, reason: str) -> None:
    state = persona.state_dir
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", state], check=True)
    try:
        said = persona.command("up", "--state-dir", f"{state}/below", check=False)
    finally:
        subprocess.run(["umount", state], check=True)
    assert said.returncode == 1
    assert reason in said.stderr
    assert "defect" not in said.stderr
    assert not persona.run_dir.exists()


def test_a_damaged_store_is_said_and_not_overwritten(standing: Instance) -> None:
    standing.define(LAG)
    standing.command("down")
    store = standing.state_dir / "manager" / "netpersona.db"
    damaged = store.read_bytes()[:8192] + b"\0garbage" * 1024
    store.write_bytes(damaged)
    said = refused(standing, "up")
    assert "manager: " in said
    assert str(store) in said
    assert "move it away" in said
    assert store.read_bytes() == damaged
    store.rename(store.with_suffix(".damaged"))
    standing.command("up")


def test_garbage_for_a_journal_costs_nothing(standing: Instance, elsewhere: Lab) -> None:
    standing.add(elsewhere.workloads[0])
    generation = standing.put_on(LAG)["generation"]
    standing.kill("agent")
    (standing.state_dir / "agent" / "journal.json").write_bytes(os.urandom(4096))
    standing.command("up")
    eventually(lambda: standing.status().get("generation") == generation)
    assert standing.status()["phase"] == "attached"


def test_what_is_secret_is_closed(standing: Instance) -> None:
    modes = {
        standing.state_dir / "manager": 0o700,
        standing.state_dir / "manager" / "token": 0o600,
        standing.state_dir / "manager" / "netpersona.db": 0o600,
        standing.state_dir / "agent": 0o700,
        standing.state_dir / "log": 0o700,
        standing.run_dir / "bpf": 0o700,
        standing.run_dir / "api.sock": 0o600,
    }
    assert {path: path.stat().st_mode & 0o777 for path in modes} == modes
    manager = standing.process("manager")
    assert manager is not None
    status = process_status(manager.pid)
    assert {int(status[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert status["Groups"].split() == []


def test_symbolic_links_planted_by_the_manager_lead_nowhere(standing: Instance, tmp_path: Path) -> None:
    """Who broke into the manager owns its directory, and root works there at the next `up`."""
    standing.command("down")
    victim = tmp_path / "victim"
    victim.write_text("root's")
    victim.chmod(0o600)
    (standing.state_dir / "manager" / "planted").symlink_to(victim)
    standing.command("up")
    assert victim.stat().st_uid == 0
    assert victim.read_text() == "root's"


@pytest.mark.parametrize("netns", ["/etc/passwd", "FIFO", "/proc/self/ns/mnt"])
def test_a_file_that_is_no_namespace_is_missing(standing: Instance, tmp_path: Path, netns: str) -> None:
    if netns == "FIFO":
        netns = str(tmp_path / "fifo")
        subprocess.run(["mkfifo", netns], check=True)
    spec = {"workload_id": "odd", "kind": "netns", "netns": netns, "interface": "eth0"}
    standing.request("POST", "/v1/workloads", spec)
    eventually(lambda: standing.status("odd").get("phase") in ("missing", "error"))
    standing.request("POST", "/v1/workloads", {"workload_id": "late", "kind": "vm", "interface": "no0"})
    eventually(lambda: standing.status("late").get("phase") == "missing")
