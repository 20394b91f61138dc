"""`up` and `down` when something is in the way: what hangs, what is damaged, what belongs to others."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.instance import COMMAND, Instance, eventually, instance, traces
from lab.namespaces import Lab, lab

from netpersona.datapath.programs.kernel import map_pin

pytestmark = pytest.mark.netns
LAG = {"persona_id": "lag", "egress": {"latency": "5ms"}}
ROLES = ("manager", "agent", "engine")


@pytest.fixture
def persona(network: Lab) -> Iterator[Instance]:
    with instance(network) as made:
        yield made


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


@pytest.mark.parametrize("role", ROLES)
def test_up_replaces_what_hangs(persona: Instance, network: Lab, role: str) -> None:
    persona.command("up")
    persona.add(network.workloads[0])
    hanging = persona.process(role)
    assert hanging is not None
    os.kill(hanging.pid, signal.SIGSTOP)
    if role == "agent":
        time.sleep(12)  # an agent reports every 5 s: before, nobody can tell
    persona.command("up")
    assert not hanging.alive()
    assert persona.process(role)
    assert persona.wear(LAG)["phase"] == "attached"


def test_down_ends_what_hangs(persona: Instance, network: Lab) -> None:
    before = traces(network.host)
    persona.command("up")
    processes = [persona.process(role) for role in ROLES]
    for process in processes:
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
    persona.command("down")
    assert traces(network.host) == before
    assert not any(process and process.alive() for process in processes)


def test_down_clears_pins_of_another_layout_and_up_says_so(persona: Instance, network: Lab) -> None:
    before = traces(network.host)
    persona.command("up")
    persona.add(network.workloads[0])
    for role in ("agent", "engine"):
        persona.kill(role)
    lanes = map_pin(persona.run_dir, "lanes")
    for pin in (lanes, lanes.with_name("prog_np_probe")):
        pin.unlink()
    other = ("type", "array", "key", "4", "value", "8", "entries", "1", "name", "lanes")
    network.host.run("bpftool", "map", "create", str(lanes), *other)
    said = persona.command("up", check=False)
    assert said.returncode == 1
    assert "another version" in said.stderr
    assert "netpersona down" in said.stderr
    persona.command("down")
    assert traces(network.host) == before
    assert not persona.run_dir.exists()
    persona.command("up")


@pytest.mark.parametrize("after_s", [0.05, 0.3, 0.6, 0.9, 1.2, 1.6, 2.2])
def test_an_interrupted_up_leaves_nothing_and_can_be_repeated(
    persona: Instance, network: Lab, after_s: float
) -> None:
    before = traces(network.host)
    where = ["--run-dir", str(persona.run_dir), "--state-dir", str(persona.state_dir)]
    with network.host.spawn(str(COMMAND), *where, "up") as starting:
        time.sleep(after_s)
        starting.send_signal(signal.SIGINT)
        said = starting.communicate(timeout=30)[0]
    assert "Traceback (most" not in said or after_s < 0.3  # Python itself was still starting
    if starting.returncode:
        assert traces(network.host) == before
        assert not persona.run_dir.exists()
    persona.command("up")
    assert all(persona.process(role) for role in ROLES)
    persona.command("down")
    assert traces(network.host) == before


def test_up_twice_and_down_twice(persona: Instance, network: Lab) -> None:
    before = traces(network.host)
    persona.command("up")
    running = [persona.process(role) for role in ROLES]
    assert "everything was running already" in persona.command("up").stderr
    assert [persona.process(role) for role in ROLES] == running
    persona.command("down")
    assert "nothing was up" in persona.command("down").stderr
    assert traces(network.host) == before


def test_a_port_in_use_leaves_nothing(persona: Instance, network: Lab) -> None:
    with network.host.call(lambda: socket.create_server(("127.0.0.1", 8470))):
        assert "another program listens on 127.0.0.1:8470" in refused(persona, "up")


@pytest.mark.parametrize("name", ["np-detour", "np-probe"])
def test_an_interface_of_somebody_else_is_not_taken_over(persona: Instance, network: Lab, name: str) -> None:
    network.host.run("ip", "link", "add", name, "type", "bridge")
    said = refused(persona, "up")
    assert f"{name} already and it is not ours" in said
    assert "ip link del" in said
    network.host.run("ip", "link", "del", name)
    persona.command("up")


def test_a_second_instance_in_one_namespace_is_refused(persona: Instance, network: Lab) -> None:
    persona.command("up")
    with instance(network) as other:
        said = other.command("up", "--listen", "127.0.0.1:0", check=False).stderr
        assert f"belongs to netpersona {persona.run_dir}" in said
    assert all(persona.process(role) for role in ROLES)
    assert "everything was running already" in persona.command("up").stderr


def test_two_instances_live_in_two_namespaces(persona: Instance, network: Lab) -> None:
    persona.command("up")
    persona.add(network.workloads[0])
    with lab() as elsewhere, instance(elsewhere) as other:
        other.command("up")
        other.add(elsewhere.workloads[0])
        assert other.wear(LAG)["phase"] == "attached"
        assert persona.wear(LAG)["phase"] == "attached"
        other.command("down")
    assert persona.status()["persona_id"] == "lag"


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


def test_a_damaged_store_is_said_and_not_overwritten(persona: Instance) -> None:
    persona.command("up")
    persona.define(LAG)
    persona.command("down")
    store = persona.state_dir / "manager" / "netpersona.db"
    damaged = store.read_bytes()[:8192] + b"\0garbage" * 1024
    store.write_bytes(damaged)
    said = refused(persona, "up")
    assert "manager: " in said
    assert str(store) in said
    assert "move it away" in said
    assert store.read_bytes() == damaged
    store.rename(store.with_suffix(".damaged"))
    persona.command("up")


def test_garbage_for_a_journal_costs_nothing(persona: Instance, network: Lab) -> None:
    persona.command("up")
    persona.add(network.workloads[0])
    generation = persona.wear(LAG)["generation"]
    persona.kill("agent")
    (persona.state_dir / "agent" / "journal.json").write_bytes(os.urandom(4096))
    persona.command("up")
    eventually(lambda: persona.status().get("generation") == generation)
    assert persona.status()["phase"] == "attached"


def test_what_is_secret_is_closed(persona: Instance) -> None:
    persona.command("up")
    modes = {
        persona.state_dir / "manager": 0o700,
        persona.state_dir / "manager" / "token": 0o600,
        persona.state_dir / "manager" / "netpersona.db": 0o600,
        persona.state_dir / "agent": 0o700,
        persona.state_dir / "log": 0o700,
        persona.run_dir / "bpf": 0o700,
        persona.run_dir / "api.sock": 0o600,
    }
    assert {path: path.stat().st_mode & 0o777 for path in modes} == modes
    manager = persona.process("manager")
    assert manager is not None
    status = process_status(manager.pid)
    assert {int(status[kind], 16) for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert status["Groups"].split() == []


def test_symbolic_links_planted_by_the_manager_lead_nowhere(persona: Instance, tmp_path: Path) -> None:
    """Who broke into the manager owns its directory, and root works there at the next `up`."""
    persona.command("up")
    persona.command("down")
    victim = tmp_path / "victim"
    victim.write_text("root's")
    victim.chmod(0o600)
    (persona.state_dir / "manager" / "planted").symlink_to(victim)
    persona.command("up")
    assert victim.stat().st_uid == 0
    assert victim.read_text() == "root's"


@pytest.mark.parametrize("netns", ["/etc/passwd", "FIFO", "/proc/self/ns/mnt"])
def test_a_file_that_is_no_namespace_is_missing(persona: Instance, tmp_path: Path, netns: str) -> None:
    if netns == "FIFO":
        netns = str(tmp_path / "fifo")
        subprocess.run(["mkfifo", netns], check=True)
    persona.command("up")
    spec = {"workload_id": "odd", "kind": "netns", "netns": netns, "interface": "eth0"}
    persona.request("POST", "/v1/workloads", spec)
    eventually(lambda: persona.status("odd").get("phase") in ("missing", "error"))
    persona.request("POST", "/v1/workloads", {"workload_id": "late", "kind": "vm", "interface": "no0"})
    eventually(lambda: persona.status("late").get("phase") == "missing")
