import asyncio
import errno
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.unit.agent.fakes import assignment, endpoint, workload_document

from netpersona.agent.agent import Agent
from netpersona.agent.desired import Workload, parse_workload, references
from netpersona.agent.journal import Journal, Record
from netpersona.agent.places import Found, Missing, Place, Refused, Unknown
from netpersona.agent.reconciler import BURST
from netpersona.agent.targets import Moment
from netpersona.datapath import NOTHING, DatapathError, FakePrograms
from netpersona.datapath.programs.plan import Attach, Bind, Detach

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class Host:
    """A host that survives its agents."""

    path: Path
    places: dict[str, Place] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    now: Moment = field(default_factory=lambda: Moment(NOON, 1_000_000_000))

    def __post_init__(self) -> None:
        self.programs = FakePrograms({}, lambda: self.now.monotonic_ns)
        for number, name in enumerate(("web", "db"), start=11):
            self.plug(name, number)

    def plug(self, name: str, ifindex: int) -> None:
        self.programs.interfaces[f"veth-{name}"] = ifindex
        self.places[name] = Found(endpoint(f"veth-{name}", ifindex))

    def unplug(self, name: str) -> None:
        del self.programs.interfaces[f"veth-{name}"]

    def pass_time(self, seconds: float) -> None:
        self.now = Moment(
            self.now.wall + timedelta(seconds=seconds), self.now.monotonic_ns + int(seconds * 1e9)
        )

    def run(self, steps: Callable[[Agent], Awaitable[None]]) -> Agent:
        """One agent's life, from its start to kill -9."""

        async def life() -> Agent:
            agent = Agent(
                (self.programs,),
                Journal(self.path / "journal.json", boot="b"),
                lambda workloads: {one.workload_id: self.places[one.workload_id] for one in workloads},
                self.programs.vanished,
                lambda: self.now,
                self.changed.append,
            )
            for name in ("slow", "fast"):
                for persona in references(workload("any", name).assignment):
                    agent.compiled.compile(persona)
            agent.adopt()
            await steps(agent)
            agent.close()
            return agent

        return asyncio.run(life())

    def worn(self, name: str) -> str:
        """The digest in force, "" for the null persona."""
        return self.programs.in_force(self.programs.interfaces[f"veth-{name}"])

    @property
    def attached(self) -> set[int]:
        return set(self.programs.observe())

    def count(self, kind: type[Attach | Bind | Detach]) -> int:
        """Of the changes made so far."""
        return sum(isinstance(change, kind) for change in self.programs.made)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def workload(name: str, persona: str | None = None, sequence: int = 0, **changes: Any) -> Workload:
    worn = assignment(persona, **changes) if persona else None
    return parse_workload(workload_document(name, assignment=worn, sequence=sequence))


def wanting(*workloads: Workload) -> Callable[[Agent], Awaitable[None]]:
    async def steps(agent: Agent) -> None:
        agent.replace_all(workloads)
        await agent.reconcile()
        await agent.all_compiled()

    return steps


def phase(agent: Agent) -> str:
    """Of the workload `web`; a call, so that no type checker takes it to stay what it was."""
    return agent.states["web"].phase


async def only_reconcile(agent: Agent) -> None:
    await agent.reconcile()


def test_a_wanted_workload_is_attached_and_dressed(host: Host) -> None:
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


def test_a_lost_look_up_keeps_what_is_attached_and_dresses_it(host: Host) -> None:
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


def crowd(host: Host, count: int) -> list[Workload]:
    """Workloads with an interface each."""
    names = [f"c{number}" for number in range(count)]
    for ifindex, name in enumerate(names, start=100):
        host.plug(name, ifindex)
    return [workload(name, "slow", 1) for name in names]


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


def test_a_manager_that_starts_anew_is_told_how_everything_is(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        assert host.changed == ["web"]
        agent.replace_all([workload("web", "slow", 1), workload("db")])
        assert host.changed == ["web", "web"]  # and of the other one when it was looked for

    host.run(steps)
