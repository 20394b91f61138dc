"""An agent that is killed, or starts on what another left."""

from __future__ import annotations

import errno
import json
import os

import pytest
from tests.unit.agent.hosts import Host, only_reconcile, phase, wanting, workload

from netpersona.agent.agent import Agent
from netpersona.agent.journal import Journal, Record
from netpersona.datapath.programs.plan import Attach


def test_a_killed_agent_comes_back_without_touching_traffic(host: Host) -> None:
    host.run(wanting(workload("web", "slow", 1)))
    was = host.worn("web")
    switches, attaches = len(host.programs.binds), host.count(Attach)
    after = host.run(only_reconcile)
    assert host.worn("web") == was
    assert (len(host.programs.binds), host.count(Attach)) == (switches, attaches)
    assert after.states["web"].applied_sequence == 1


def test_a_restart_detaches_nothing_before_the_manager_has_spoken(host: Host) -> None:
    host.run(wanting(workload("web", "slow", 1)))
    (host.path / "journal.json").unlink()
    host.run(only_reconcile)
    assert len(host.attached) == 1
    host.run(wanting())
    assert host.attached == set()


def test_what_was_deleted_while_the_agent_was_dead_is_detached_and_forgotten(host: Host) -> None:
    host.run(wanting(workload("web", "slow", 1), workload("db")))
    agent = host.run(wanting(workload("db")))
    assert host.attached == {12}
    assert set(agent.states) == {"db"}
    assert set(host.run(only_reconcile).states) == {"db"}


def test_a_full_disk_ends_no_agent_and_keeps_what_is_in_force(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.run(wanting(workload("web", "slow", 1), workload("db")))

    def full(_file: int, _line: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def steps(agent: Agent) -> None:
        before = host.worn("web")
        with monkeypatch.context() as disk:
            disk.setattr(os, "write", full)
            agent.replace_all([workload("web", "fast", 2)])
            await agent.reconcile()
            assert (phase(agent), host.worn("web")) == ("error", before)
            assert "disk is full" in agent.states["web"].message
        await agent.reconcile()
        assert (phase(agent), agent.states["web"].message) == ("attached", "")
        assert host.worn("web") != before

    assert set(host.run(steps).states) == {"web"}
    assert set(host.run(only_reconcile).states) == {"web"}


@pytest.mark.parametrize("dies_at", range(30))
def test_killed_anywhere_it_ends_where_it_should(host: Host, dies_at: int) -> None:
    """The kernel refuses everything from the n-th moment on, as if the agent had been killed there."""
    wanted = [workload("web", "slow", 1), workload("db", "fast", 1)]

    async def doomed(agent: Agent) -> None:
        host.programs.cut_at = dies_at
        agent.replace_all(wanted)
        await agent.reconcile()
        agent.want(workload("web", "fast", 2))

    host.run(doomed)
    host.programs.cut_at = None
    host.run(wanting(workload("web", "fast", 2), wanted[1]))
    assert host.worn("web") == host.worn("db") != ""
    assert len(host.attached) == 2


def test_what_is_wanted_is_on_disk_before_the_store(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        seen: list[int] = []
        journal = host.path / "journal.json"
        host.programs.before = lambda _: seen.append(
            json.loads(journal.read_bytes().splitlines()[-1][9:])["sequence"]
        )
        agent.want(workload("web", "fast", 2))
        assert seen == [2]

    host.run(steps)


def test_a_journal_of_another_release_is_no_reason_not_to_start(host: Host) -> None:
    with Journal(host.path / "journal.json", boot="b") as journal:
        journal.put(Record("web", '{"workload_id": "web"}', ifindex=11))
        journal.put(Record("db", "no JSON"))

    async def steps(agent: Agent) -> None:
        assert agent.states == {}

    host.run(steps)


def test_a_manager_that_starts_anew_is_told_how_everything_is(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        assert host.changed == ["web"]
        agent.replace_all([workload("web", "slow", 1), workload("db")])
        assert host.changed == ["web", "web"]  # and of the other one when it was looked for

    host.run(steps)
