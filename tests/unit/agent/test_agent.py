"""What is wanted is attached, assigned and released."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.agent.hosts import NOON, Host, wanting, workload

from netpersona.agent.agent import Agent
from netpersona.agent.places import Place
from netpersona.datapath import NOTHING
from netpersona.datapath.programs.plan import Attach, Bind


def test_a_wanted_workload_is_attached_and_wears_its_persona(host: Host) -> None:
    agent = host.run(wanting(workload("web", "slow", 5)))
    state = agent.states["web"]
    assert (state.phase, state.applied_sequence) == ("attached", 5)
    assert host.worn("web") != ""
    assert host.changed == ["web"]


def test_an_assignment_of_an_attached_workload_is_one_store_and_no_netlink(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        switches, attaches = len(host.programs.binds), host.count(Attach)
        agent.want(workload("web", "fast", 2))
        assert len(host.programs.binds) == switches + 1
        assert host.count(Attach) == attaches
        assert agent.states["web"].applied_sequence == 2

    host.run(steps)


def test_nothing_is_said_of_a_workload_before_it_was_looked_for(host: Host) -> None:
    host.run(wanting(workload("web", "slow", 1)))

    async def steps(agent: Agent) -> None:
        assert agent.states["web"].held == 11  # from the journal
        assert agent.known("web") is None
        await agent.reconcile()
        assert agent.known("web") is agent.states["web"]
        agent.want(workload("db"))
        assert agent.known("db") is None
        assert agent.known("nobody") is None

    host.run(steps)


def test_when_a_wish_came_and_was_put_on_is_known(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        host.pass_time(5)
        agent.want(workload("web", "fast", 2))
        state = agent.states["web"]
        assert (state.applied_at, state.applied_ns) == (host.now.wall, host.now.monotonic_ns)
        assert state.wanted_ns == state.applied_ns
        host.pass_time(5)
        await agent.reconcile()  # puts nothing on
        assert state.applied_at == NOON + timedelta(seconds=5)

    host.run(steps)


def test_the_same_persona_assigned_again_is_applied_without_a_store(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        binds = len(host.programs.binds)
        host.changed.clear()
        agent.want(workload("web", "slow", 2))
        assert (agent.states["web"].applied_sequence, host.changed) == (2, ["web"])
        agent.replace_all([workload("web", "slow", 3)])
        await agent.reconcile()
        assert agent.states["web"].applied_sequence == 3
        assert len(host.programs.binds) == binds

    host.run(steps)


def test_passes_are_idempotent(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        switches = len(host.programs.binds)
        for _ in range(3):
            await agent.reconcile(again=8)
        assert len(host.programs.binds) == switches

    host.run(steps)


def test_a_pass_over_what_stands_makes_no_change_and_has_nothing_to_say(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1), workload("db"))(agent)
        made, said = list(host.programs.made), list(host.changed)
        for _ in range(2):
            await agent.reconcile(again=8)
        assert (host.programs.made, host.changed) == (made, said)

    host.run(steps)


def test_a_binding_that_somebody_else_changed_is_put_right(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        digest = host.worn("web")
        host.programs.apply(Bind(11, "web", NOTHING))
        assert host.worn("web") != digest
        await agent.reconcile()
        assert host.worn("web") == digest

    host.run(steps)


def test_a_persona_is_compiled_beside_the_loop_and_the_newest_wish_wins(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        switches = len(host.programs.binds)
        agent.want(workload("web", "unheard", 2))
        assert len(host.programs.binds) == switches  # not on the loop
        agent.want(workload("web", "unknown", 3))
        await agent.all_compiled()
        assert agent.states["web"].applied_sequence == 3
        assert len(host.programs.binds) == switches + 1

    host.run(steps)


def test_a_workload_that_goes_while_its_persona_is_compiled_is_left_alone(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        switches = len(host.programs.binds)
        agent.want(workload("web", "unheard", 2))
        agent.unwant("web")
        await agent.all_compiled()
        assert len(host.programs.binds) == switches

    host.run(steps)


def test_everything_in_place_is_looked_up_in_turn(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web"), workload("db"))(agent)
        asked: list[str] = []
        look_up = host.places

        class Noting(dict[str, Place]):
            def __getitem__(self, name: str) -> Place:
                asked.append(name)
                return look_up[name]

        host.places = Noting(look_up)
        for _ in range(4):
            await agent.reconcile(again=1)
        assert asked == ["web", "db", "web", "db"]

    host.run(steps)


def test_a_release_is_the_null_persona(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        agent.want(workload("web", None, 2))
        assert host.worn("web") == ""
        assert agent.states["web"].applied_sequence == 2

    host.run(steps)
