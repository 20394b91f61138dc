"""Whoever is killed comes back by itself, until `down`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial

import pytest
from lab.instance import COMMAND, Instance, eventually, instance, traces
from lab.namespaces import Lab, lab

from netpersona.cli.roles import MODULES
from netpersona.datapath import processes
from netpersona.datapath.processes import Process

pytestmark = pytest.mark.netns
LAG = {"persona_id": "lag", "egress": {"latency": "5ms"}}
ROLES = ("manager", "engine", "agent", "supervisor")
BACK_S = 30.0
"""Long enough for a crowded machine; a quiet one needs about a second, the supervisor two."""


@pytest.fixture(scope="module")
def network() -> Iterator[Lab]:
    with lab() as built, built.host.entered():
        yield built


@pytest.fixture(scope="module")
def product(network: Lab) -> Iterator[Instance]:
    """Every test leaves it whole."""
    with instance(network, supervised=True) as made:
        made.command("up")
        made.add(network.workloads[0])
        yield made


def running(product: Instance) -> dict[str, Process | None]:
    return {role: product.process(role) for role in ROLES}


def whole(product: Instance) -> bool:
    return product.command("status", check=False).returncode == 0


@pytest.mark.parametrize("killed", [*((role,) for role in ROLES), ("manager", "engine", "agent")])
def test_who_is_killed_comes_back_and_nobody_else_is_touched(
    product: Instance, killed: tuple[str, ...]
) -> None:
    before = running(product)
    for role in killed:
        product.kill(role)
    eventually(lambda: all(running(product).values()), within_s=BACK_S)
    after = running(product)
    assert {role for role in ROLES if before[role] != after[role]} == set(killed)
    eventually(lambda: whole(product), within_s=BACK_S)
    if "engine" in killed:
        product.define(LAG | {"persona_id": f"lag-{len(killed)}"})
        assert product.assign(f"lag-{len(killed)}")["engine"]["alive"]


def test_a_second_up_starts_nothing_and_there_is_one_of_each(product: Instance) -> None:
    assert "everything was running already" in product.command("up").stderr
    assert {
        role: len(list(of(product, role))) for role in ("engine", "agent", "supervisor")
    } == dict.fromkeys(("engine", "agent", "supervisor"), 1)


def of(product: Instance, role: str) -> Iterator[Process]:
    return processes.find(MODULES[role], product.run_dir)


def test_down_ends_it_also_in_the_middle_of_its_work() -> None:
    with lab() as network, network.host.entered(), instance(network, supervised=True) as product:
        before = traces(network.host)
        for killed in (("engine",), ("supervisor", "manager"), ("agent", "supervisor")):
            product.command("up")
            for role in killed:
                product.kill(role)
            product.command("down")
            assert not product.run_dir.exists()
            assert traces(network.host) == before
            assert not [process for role in MODULES for process in of(product, role)]


def test_without_it_the_dead_stay_dead(product: Instance) -> None:
    product.command("up", "--no-supervise")
    assert product.process("supervisor") is None
    assert whole(product), "nobody wants one"
    agent = product.process("agent")
    product.define(LAG | {"persona_id": "worn"})
    product.assign("worn")
    product.kill("engine")
    for command in (["assign", "web", "worn"], ["get", "workloads"], ["describe", "web"], ["status"]):
        eventually(partial(_is_told, product, *command), within_s=BACK_S)
    assert product.process("agent") == agent
    assert product.process("engine") is None
    product.command("up")
    assert all(running(product).values())


def _is_told(product: Instance, *command: str) -> bool:
    """That conditions are not in force: the host's report says so within a second or two."""
    said = product.command(*command, check=False)
    return said.returncode == 1 and "the conditions of web are NOT in force" in said.stderr


def test_up_and_down_at_once_leave_all_or_nothing() -> None:
    with lab() as network, network.host.entered(), instance(network, supervised=True) as product:
        before = traces(network.host)
        where = ["--run-dir", str(product.run_dir), "--state-dir", str(product.state_dir)]
        commands = [["up"], ["down", "--purge"], ["up"], ["down"]]
        started = [
            subprocess.Popen(
                network.host.command(str(COMMAND), *where, *command),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for command in commands
        ]
        said = [process.communicate(timeout=120)[0] for process in started]
        assert [process.returncode for process in started] == [0] * 4, said
        assert not any("Traceback" in text for text in said)
        alive = [bool(product.process(role)) for role in ROLES]
        assert all(alive) or (not any(alive) and not product.run_dir.exists())
        product.command("down")
        assert traces(network.host) == before
