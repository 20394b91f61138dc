"""What cannot be attached, looked up or compiled, and what changes meanwhile."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.agent.fakes import workload_document
from tests.unit.agent.hosts import Host, phase, wanting, workload

from netpersona.agent.agent import Agent
from netpersona.agent.desired import parse_workload
from netpersona.agent.places import Missing, Place, Refused, Unknown
from netpersona.datapath import DatapathError


def test_an_interface_that_comes_back_is_attached_again(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        host.unplug("web")
        host.places["web"] = Missing("no interface")
        await agent.reconcile()
        assert phase(agent) == "missing"
        host.plug("web", 99)
        await agent.reconcile()
        assert phase(agent) == "attached"
        assert host.worn("web") != ""
        assert host.attached == {99}

    host.run(steps)


def test_a_refused_workload_says_why_and_is_left_alone(host: Host) -> None:
    host.places["web"] = Refused("carries the default route")
    agent = host.run(wanting(workload("web", "slow", 1)))
    assert (agent.states["web"].phase, agent.states["web"].target) == ("refused", None)
    assert host.attached == set()


def test_a_detachment_that_failed_is_tried_again_also_while_the_manager_is_away(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(change: object) -> None:
        raise DatapathError(f"{change} failed")

    async def steps(agent: Agent) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(host.programs, "apply", fails)
            await agent.reconcile(again=1)
        assert len(host.attached) == 1
        await agent.reconcile(again=1)
        assert host.attached == set()

    host.run(wanting(workload("web", "slow", 1)))
    host.places["web"] = Refused("carries the default route")
    host.run(steps)


def test_a_failed_look_up_leaves_what_is_attached(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        was = host.worn("web")
        host.places["web"] = Unknown("netlink broke")
        await agent.reconcile(again=8)
        assert host.worn("web") == was
        assert len(host.attached) == 1

    host.run(steps)


def test_two_workloads_on_one_interface_do_not_fight(host: Host) -> None:
    host.places["db"] = host.places["web"]
    agent = host.run(wanting(workload("web", "slow", 1), workload("db", "fast", 1)))
    phases = {name: state.phase for name, state in agent.states.items()}
    assert phases == {"db": "attached", "web": "refused"}
    assert "db" in agent.states["web"].message


def test_a_persona_that_cannot_be_read_keeps_the_old_one_on(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        was = host.worn("web")
        broken = {"persona_id": "odd", "persona_revision": 1, "persona": {"persona_id": "odd", "mtu": -1}}
        agent.want(parse_workload(workload_document("web", assignment=broken, sequence=2)))
        await agent.all_compiled()
        assert host.worn("web") == was
        assert phase(agent) == "error"
        assert "mtu" in agent.states["web"].message
        agent.want(workload("web", "fast", 3))
        assert phase(agent) == "attached"

    host.run(steps)


def test_a_workload_that_came_during_a_pass_is_no_orphan(host: Host) -> None:
    host.run(wanting(workload("web", "slow", 1)))
    (host.path / "journal.json").unlink()
    look_up = host.places

    async def steps(agent: Agent) -> None:
        agent.replace_all([workload("db")])

        class Late(dict[str, Place]):
            def __getitem__(self, name: str) -> Place:
                agent.states.setdefault("web", agent.states["db"].__class__(workload("web", "slow", 1)))
                return super().__getitem__(name)

        host.places = Late(look_up)
        await agent.reconcile()
        assert host.attached == {11, 12}

    host.run(steps)


def test_a_lost_look_up_keeps_what_is_attached_and_assigns_it(host: Host) -> None:
    """While a container runtime is away, what it runs goes on and can be given another persona."""

    async def steps(agent: Agent) -> None:
        agent.replace_all([workload("web", "slow", 1)])
        await agent.reconcile()
        host.places["web"] = Unknown("no runtime")
        agent.look_again(lambda _: True)
        await agent.reconcile()
        assert agent.states["web"].phase == "attached"
        agent.want(workload("web", "fast", 2))
        assert agent.states["web"].applied_sequence == 2
        host.unplug("web")
        await agent.reconcile()
        assert (agent.states["web"].phase, agent.states["web"].message) == ("error", "no runtime")

    host.run(steps)


def test_what_is_looked_for_again_during_a_pass_is_looked_up_in_the_next(host: Host) -> None:
    host.plug("other", 8)

    async def steps(agent: Agent) -> None:
        class Moving(dict[str, Any]):
            """Something happens to the workload right after each look at it."""

            def __getitem__(self, name: str) -> Any:
                agent.look_again(lambda _: True)
                return super().__getitem__(name)

        host.places = Moving(host.places)
        agent.replace_all([workload("web")])
        await agent.reconcile()
        host.places["web"] = host.places["other"]
        await agent.reconcile()
        assert agent.states["web"].held == 8

    host.run(steps)
