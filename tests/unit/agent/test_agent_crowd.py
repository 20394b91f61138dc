"""A thousand at once."""

from __future__ import annotations

from tests.unit.agent.hosts import Host, crowd, wanting, workload

from netpersona.agent.agent import Agent
from netpersona.agent.reconciler import BURST
from netpersona.datapath.programs.plan import Attach, Bind


def test_each_wears_its_persona_as_soon_as_it_is_attached(host: Host) -> None:
    worn: list[int] = []

    def noting(change: object) -> None:
        if isinstance(change, Bind):
            worn.append(host.count(Attach))

    host.programs.before = noting
    host.run(wanting(*crowd(host, 3)))
    assert worn == [1, 2, 3]


def test_what_happens_while_a_thousand_attach_waits_for_a_few_of_them(host: Host) -> None:
    many = crowd(host, 3 * BURST)

    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        agent.replace_all([workload("web", "slow", 1), *many])
        host.programs.before = lambda _: agent.wake.set()
        host.plug("web", 99)
        agent.look_again(lambda moved: moved.workload_id == "web")
        await agent.reconcile()
        assert host.count(Attach) == 1 + BURST - 1  # the last of its moves was a detachment
        assert agent.states["web"].held == 99
        host.programs.before = lambda _: None
        await agent.reconcile()
        assert len(host.attached) == len(agent.states)

    host.run(steps)


def test_what_cannot_be_attached_keeps_no_others_waiting(host: Host) -> None:
    many = crowd(host, 2 * BURST)
    for one in many[:BURST]:
        host.unplug(one.workload_id)  # since it was looked up

    async def steps(agent: Agent) -> None:
        host.programs.before = lambda _: agent.wake.set()
        await wanting(*many)(agent)
        assert len(host.attached) == BURST
        assert agent.states["c0"].phase == "error"

    host.run(steps)
