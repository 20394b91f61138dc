"""Assignments that end by themselves."""

from __future__ import annotations

from datetime import timedelta

from tests.unit.agent.fakes import workload_document
from tests.unit.agent.hosts import NOON, Host, wanting, workload

from netpersona.agent.agent import Agent
from netpersona.agent.desired import parse_workload
from netpersona.agent.targets import Moment


def test_a_lease_and_what_follows_it_are_one_store(host: Host) -> None:
    fallback = {"persona_id": "fast", "persona_revision": 1, "persona": {"persona_id": "fast"}}
    ends = (NOON + timedelta(seconds=10)).isoformat()
    leased = workload("web", "slow", 1, expires_at=ends, fallback=fallback)
    host.run(wanting(leased))
    slow = host.worn("web")
    assert len(host.programs.binds) == 1
    host.pass_time(11)
    fast = host.worn("web")
    assert fast[1] not in (0, slow[1])
    # The manager catches up: nothing that a packet could see.
    rewritten = workload_document("web", assignment=fallback, sequence=2)
    after = host.run(wanting(parse_workload(rewritten)))
    assert host.worn("web") == fast
    assert len(host.programs.binds) == 1
    assert after.states["web"].applied_sequence == 2


def test_a_wish_that_comes_during_a_pass_keeps_its_own_end(host: Host) -> None:
    """What the pass puts in force is of the wish before; the end of that is not the new one's."""
    first, second = (
        workload("web", "slow", sequence, expires_at=(NOON + timedelta(seconds=seconds)).isoformat())
        for sequence, seconds in ((1, 10), (2, 100))
    )

    async def steps(agent: Agent) -> None:
        agent.replace_all([first])
        host.programs.before = lambda _: agent.replace_all([second])
        await agent.reconcile()
        host.programs.before = lambda _: None
        await agent.reconcile()
        assert host.programs.binds[-1][1].expires_ns == host.now.monotonic_ns + 100_000_000_000
        assert agent.states["web"].applied_sequence == 2

    host.run(steps)


def test_a_lease_is_not_moved_by_a_restart_or_a_stepped_clock(host: Host) -> None:
    leased = workload("web", "slow", 1, expires_at=(NOON + timedelta(seconds=10)).isoformat())
    host.run(wanting(leased))
    host.now = Moment(NOON - timedelta(hours=1), host.now.monotonic_ns)
    host.run(wanting(leased))
    assert len(host.programs.binds) == 1


def test_an_assignment_that_ended_before_we_came_is_never_worn(host: Host) -> None:
    over = workload("web", "slow", 1, expires_at=(NOON - timedelta(seconds=1)).isoformat())
    host.run(wanting(over))
    assert host.worn("web") == ""
    assert host.programs.binds == []
