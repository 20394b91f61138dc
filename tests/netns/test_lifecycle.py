"""`up` and `down`, whatever was killed in between, leave nothing behind."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab.instance import COMMAND, Instance, alive, eventually, instance, traces
from lab.namespaces import Lab, lab

pytestmark = pytest.mark.netns
LAG = {"persona_id": "lag", "egress": {"latency": "5ms"}}
ROLES = ("manager", "agent", "engine")


@pytest.fixture(scope="module")
def network() -> Iterator[Lab]:
    """Every test leaves it as it found it."""
    with lab() as built:
        yield built


@pytest.fixture
def persona(network: Lab) -> Iterator[Instance]:
    with instance(network) as made:
        yield made


@pytest.fixture(scope="module")
def standing() -> Iterator[Instance]:
    """Up; every test leaves it whole."""
    with lab() as built, instance(built) as made:
        made.command("up")
        yield made


@pytest.mark.parametrize("killed", [(), ("agent",), ("engine",), ("manager",), ROLES])
def test_down_leaves_nothing_whoever_was_killed(
    persona: Instance, network: Lab, killed: tuple[str, ...]
) -> None:
    before = traces(network.host)
    persona.command("up")
    persona.add(network.workloads[0])
    persona.put_on(LAG)
    pinned, running = persona.pinned(), [persona.process(role) for role in ROLES]
    assert {kind for kind, _ in pinned} >= {"prog", "map"}
    assert alive(pinned) == pinned
    for role in killed:
        persona.kill(role)
    persona.command("down")
    assert traces(network.host) == before
    assert not any(process and process.alive() for process in running)
    assert not persona.run_dir.exists()
    # The kernel frees programs and maps after a grace period.
    eventually(lambda: not alive(pinned))
    persona.command("down")


@pytest.mark.parametrize("role", ROLES)
def test_a_second_up_starts_only_what_is_missing(standing: Instance, role: str) -> None:
    before = {name: standing.process(name) for name in ROLES}
    standing.kill(role)
    standing.command("up")
    after = {name: standing.process(name) for name in ROLES}
    assert {name for name in ROLES if before[name] != after[name]} == {role}
    assert all(after.values())


def test_state_survives_down_and_purge_removes_it(persona: Instance, network: Lab) -> None:
    persona.command("up")
    persona.add(network.workloads[0])
    status = persona.put_on(LAG)
    persona.command("down")
    persona.command("up")
    eventually(lambda: persona.status().get("persona_id") == status["persona_id"])
    persona.command("down", "--purge")
    assert not persona.state_dir.exists()


def test_down_works_from_another_mount_namespace(persona: Instance, network: Lab) -> None:
    before = traces(network.host)
    where = ["--run-dir", str(persona.run_dir), "--state-dir", str(persona.state_dir)]
    inside = ["ip", "netns", "exec", network.host.name, str(COMMAND), *where]
    subprocess.run([*inside, "up"], check=True, capture_output=True)
    assert os.path.ismount(persona.run_dir / "bpf"), "pinned where it outlives that namespace"
    subprocess.run([*inside, "up"], check=True, capture_output=True)
    subprocess.run([*inside, "down"], check=True, capture_output=True)
    assert traces(network.host) == before
    assert not persona.run_dir.exists()


def test_a_firewall_outlives_all_processes_of_a_passing_mount_namespace(
    persona: Instance, network: Lab
) -> None:
    """`ip netns exec` makes one for each command; the kernel ends it with its last process."""
    before = traces(network.host)
    where = ["--run-dir", str(persona.run_dir), "--state-dir", str(persona.state_dir)]
    inside = ["ip", "netns", "exec", network.host.name, str(COMMAND), *where]
    subprocess.run([*inside, "up"], check=True, capture_output=True)
    persona.add(network.workloads[0])
    persona.put_on({"persona_id": "wall", "default_action": "drop"})
    first, second = network.workloads
    ping = ("ping", "-c1", "-W1", second.ipv4)
    for role in ROLES:
        persona.kill(role)
    assert first.namespace.run(*ping, check=False).returncode != 0
    subprocess.run([*inside, "up"], check=True, capture_output=True)
    eventually(lambda: persona.status().get("persona_id") == "wall")
    assert first.namespace.run(*ping, check=False).returncode != 0
    for role in ROLES:
        persona.kill(role)
    subprocess.run([*inside, "down"], check=True, capture_output=True)
    assert traces(network.host) == before
    assert first.namespace.run(*ping, check=False).returncode == 0


def test_a_mount_namespace_with_directories_of_its_own_is_refused(persona: Instance) -> None:
    """There is no way to pin outside of it under the same names."""
    where = f"--run-dir {persona.run_dir} --state-dir {persona.state_dir}"
    script = f"mount -t tmpfs none {persona.run_dir.parent} && {COMMAND} {where} up"
    refused = persona.host.run("unshare", "--mount", "sh", "-c", script, check=False)
    assert refused.returncode == 1
    assert "this mount namespace ends with its last process" in refused.stderr
    assert "nsenter --net=/run/netns/" in refused.stderr


def test_down_finds_what_an_interrupted_up_did_not_write_down(persona: Instance) -> None:
    persona.command("up")
    running = [persona.process(role) for role in ROLES]
    for role in ROLES:
        (persona.run_dir / f"{role}.pid").unlink()
    persona.command("down")
    assert not any(process and process.alive() for process in running)


def test_an_address_in_use_is_said_with_a_remedy(standing: Instance) -> None:
    with instance(Lab(standing.host)) as other:
        refused = other.command("up", check=False)
    assert refused.returncode == 1
    assert "--listen" in refused.stderr


def test_the_manager_has_no_root_and_its_socket_is_roots(standing: Instance) -> None:
    manager = standing.process("manager")
    assert manager is not None
    uid = Path(f"/proc/{manager.pid}").stat().st_uid
    assert uid != 0
    assert (standing.state_dir / "manager").stat().st_uid == uid
    assert (standing.run_dir / "api.sock").stat().st_mode & 0o777 == 0o600
    assert (standing.run_dir / "api.sock").stat().st_uid == 0


def test_the_engine_comes_before_agent_and_manager_and_they_before_the_load(standing: Instance) -> None:
    processes = [standing.process(role) for role in ("engine", "agent", "manager")]
    assert [os.getpriority(os.PRIO_PROCESS, process.pid) for process in processes if process] == [-10, -5, -5]


NFT = """
table bridge theirs {
    chain c { type filter hook forward priority 0; udp dport 9 drop
    }
}
table inet theirs {
    chain c { type filter hook output priority 0; tcp dport 25 counter accept
    }
}
"""


def test_what_others_have_set_up_is_never_changed() -> None:
    """A root qdisc, a clsact with a filter, and nft rules on the very interface that wears a persona."""
    with lab() as network, instance(network) as persona:
        _put_on_beside_others(persona, network)


def _put_on_beside_others(persona: Instance, network: Lab) -> None:
    run, interface = network.host.run, network.workloads[0].host_interface
    run(
        "tc", "qdisc", "add", "dev", interface, "root", "tbf", "rate", "1gbit", "burst", "1mb", "limit", "1mb"
    )
    run("tc", "qdisc", "add", "dev", interface, "clsact")
    run("nft", "-f", "-", stdin=NFT)
    before, theirs = traces(network.host), _theirs(network, interface)
    persona.command("up")
    persona.add(network.workloads[0])
    for worn in (LAG, {"persona_id": "shut", "default_action": "drop"}):
        persona.put_on(worn)
        assert _theirs(network, interface) == theirs
    persona.release()
    assert _theirs(network, interface) == theirs
    persona.command("down")
    assert traces(network.host) == before


def _theirs(network: Lab, interface: str) -> list[str]:
    run = network.host.run
    return [
        run("tc", "qdisc", "show", "dev", interface).stdout,
        *(run("tc", "filter", "show", "dev", interface, side).stdout for side in ("ingress", "egress")),
        run("nft", "--stateless", "list", "ruleset").stdout,
    ]
