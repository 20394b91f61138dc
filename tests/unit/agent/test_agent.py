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
from tests.unit.agent.fakes import CountingDatapath, assignment, endpoint, workload_document

from netpersona.agent.agent import MOVES, Agent
from netpersona.agent.desired import Workload, dresses, parse_workload
from netpersona.agent.journal import Journal, Record
from netpersona.agent.reconcile import Moment
from netpersona.agent.workloads import Found, Missing, Place, Refused, Unknown
from netpersona.datapath import DatapathError

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@dataclass
class Host:
    """A host that survives its agents."""

    path: Path
    datapath: CountingDatapath = field(default_factory=CountingDatapath)
    places: dict[str, Place] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    now: Moment = field(default_factory=lambda: Moment(NOON, 1_000_000_000))

    def __post_init__(self) -> None:
        for number, name in enumerate(("web", "db"), start=11):
            self.plug(name, number)

    def plug(self, name: str, ifindex: int) -> None:
        self.datapath.plug(f"veth-{name}", ifindex)
        self.places[name] = Found(endpoint(f"veth-{name}", ifindex))

    def pass_time(self, seconds: float) -> None:
        self.now = Moment(
            self.now.wall + timedelta(seconds=seconds), self.now.monotonic_ns + int(seconds * 1e9)
        )

    def run(self, steps: Callable[[Agent], Awaitable[None]]) -> Agent:
        """One agent's life, from its start to kill -9."""

        async def life() -> Agent:
            agent = Agent(
                self.datapath,
                Journal(self.path / "journal.json", boot="b"),
                lambda workloads: {one.workload_id: self.places[one.workload_id] for one in workloads},
                lambda: self.now,
                self.changed.append,
            )
            for name in ("slow", "fast"):
                for dress in dresses(workload("any", name).assignment):
                    agent.wardrobe.compiled(dress)
            agent.adopt()
            await steps(agent)
            agent.close()
            return agent

        return asyncio.run(life())

    def worn(self, agent: Agent, name: str) -> tuple[int, int]:
        """Generation and slot in force."""
        hold = agent.charges[name].hold
        assert hold is not None
        binding = self.datapath.binding(hold.attachment)
        return binding.generation, binding.slot_at(self.now.monotonic_ns)


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
        await agent.compiled()

    return steps


def phase(agent: Agent) -> str:
    """Of the workload `web`; a call, so that no type checker takes it to stay what it was."""
    return agent.charges["web"].phase


async def only_reconcile(agent: Agent) -> None:
    await agent.reconcile()


def test_a_wanted_workload_is_attached_and_dressed(host: Host) -> None:
    agent = host.run(wanting(workload("web", "slow", 5)))
    charge = agent.charges["web"]
    assert (charge.phase, charge.applied_sequence) == ("attached", 5)
    assert host.worn(agent, "web")[1] != 0
    assert host.changed == ["web"]


def test_an_assignment_of_an_attached_workload_is_one_store_and_no_netlink(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        switches, attaches = len(host.datapath.switches), host.datapath.attaches
        agent.want(workload("web", "fast", 2))
        assert len(host.datapath.switches) == switches + 1
        assert host.datapath.attaches == attaches
        assert agent.charges["web"].applied_sequence == 2

    host.run(steps)


def test_nothing_is_said_of_a_workload_before_it_was_looked_for(host: Host) -> None:
    host.run(wanting(workload("web", "slow", 1)))

    async def steps(agent: Agent) -> None:
        assert agent.charges["web"].hold is not None  # from the journal
        assert agent.known("web") is None
        await agent.reconcile()
        assert agent.known("web") is agent.charges["web"]
        agent.want(workload("db"))
        assert agent.known("db") is None
        assert agent.known("nobody") is None

    host.run(steps)


def test_when_a_wish_came_and_was_put_on_is_known(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        host.pass_time(5)
        agent.want(workload("web", "fast", 2))
        charge = agent.charges["web"]
        assert (charge.applied_at, charge.applied_ns) == (host.now.wall, host.now.monotonic_ns)
        assert charge.wanted_ns == charge.applied_ns
        host.pass_time(5)
        await agent.reconcile()  # puts nothing on
        assert charge.applied_at == NOON + timedelta(seconds=5)

    host.run(steps)


def test_passes_are_idempotent(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        switches = len(host.datapath.switches)
        for _ in range(3):
            await agent.reconcile(again=8)
        assert len(host.datapath.switches) == switches

    host.run(steps)


def test_a_pass_over_what_stands_reads_no_binding(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        host.datapath.dies_after(2)  # attached, and the generations
        await agent.reconcile()
        assert phase(agent) == "attached"

    host.run(steps)


def test_a_binding_that_somebody_else_changed_is_put_right(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        slot, hold = host.worn(agent, "web")[1], agent.charges["web"].hold
        assert hold is not None
        host.datapath.switch(hold.attachment, 0)
        await agent.reconcile()
        assert host.worn(agent, "web")[1] == slot

    host.run(steps)


def test_a_persona_is_compiled_beside_the_loop_and_the_newest_wish_wins(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        switches = len(host.datapath.switches)
        agent.want(workload("web", "unheard", 2))
        assert len(host.datapath.switches) == switches  # not on the loop
        agent.want(workload("web", "unknown", 3))
        await agent.compiled()
        assert agent.charges["web"].applied_sequence == 3
        assert len(host.datapath.switches) == switches + 1

    host.run(steps)


def test_a_workload_that_goes_while_its_persona_is_compiled_is_left_alone(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        switches = len(host.datapath.switches)
        agent.want(workload("web", "unheard", 2))
        agent.unwant("web")
        await agent.compiled()
        assert len(host.datapath.switches) == switches

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
        assert host.worn(agent, "web")[1] == 0
        assert agent.charges["web"].applied_sequence == 2

    host.run(steps)


def test_a_killed_agent_comes_back_without_touching_traffic(host: Host) -> None:
    before = host.run(wanting(workload("web", "slow", 1)))
    was = host.worn(before, "web")
    switches, attaches = len(host.datapath.switches), host.datapath.attaches
    after = host.run(only_reconcile)
    assert host.worn(after, "web") == was
    assert (len(host.datapath.switches), host.datapath.attaches) == (switches, attaches)
    assert after.charges["web"].applied_sequence == 1


def test_a_restart_detaches_nothing_before_the_manager_has_spoken(host: Host) -> None:
    host.run(wanting(workload("web", "slow", 1)))
    (host.path / "journal.json").unlink()
    host.run(only_reconcile)
    assert len(host.datapath.attached()) == 1
    host.run(wanting())
    assert host.datapath.attached() == []


def test_what_was_deleted_while_the_agent_was_dead_is_detached_and_forgotten(host: Host) -> None:
    host.run(wanting(workload("web", "slow", 1), workload("db")))
    agent = host.run(wanting(workload("db")))
    assert [entry.interface for entry in host.datapath.attached()] == ["veth-db"]
    assert set(agent.charges) == {"db"}
    assert set(host.run(only_reconcile).charges) == {"db"}


def test_a_full_disk_ends_no_agent_and_keeps_what_is_in_force(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.run(wanting(workload("web", "slow", 1), workload("db")))

    def full(_file: int, _line: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def steps(agent: Agent) -> None:
        before = host.worn(agent, "web")
        with monkeypatch.context() as disk:
            disk.setattr(os, "write", full)
            agent.replace_all([workload("web", "fast", 2)])
            await agent.reconcile()
            assert (phase(agent), host.worn(agent, "web")) == ("error", before)
            assert "disk is full" in agent.charges["web"].message
        await agent.reconcile()
        assert (phase(agent), agent.charges["web"].message) == ("attached", "")
        assert host.worn(agent, "web") != before

    assert set(host.run(steps).charges) == {"web"}
    assert set(host.run(only_reconcile).charges) == {"web"}


def test_a_lease_and_what_follows_it_are_one_store(host: Host) -> None:
    fallback = {"persona_id": "fast", "persona_revision": 1, "persona": {"persona_id": "fast"}}
    ends = (NOON + timedelta(seconds=10)).isoformat()
    leased = workload("web", "slow", 1, expires_at=ends, fallback=fallback)
    agent = host.run(wanting(leased))
    slow = host.worn(agent, "web")
    assert len(host.datapath.switches) == 1
    host.pass_time(11)
    fast = host.worn(agent, "web")
    assert fast[1] not in (0, slow[1])
    # The manager catches up: nothing that a packet could see.
    rewritten = workload_document("web", assignment=fallback, sequence=2)
    after = host.run(wanting(parse_workload(rewritten)))
    assert host.worn(after, "web") == fast
    assert len(host.datapath.switches) == 1
    assert after.charges["web"].applied_sequence == 2


def test_a_lease_is_not_moved_by_a_restart_or_a_stepped_clock(host: Host) -> None:
    leased = workload("web", "slow", 1, expires_at=(NOON + timedelta(seconds=10)).isoformat())
    host.run(wanting(leased))
    host.now = Moment(NOON - timedelta(hours=1), host.now.monotonic_ns)
    host.run(wanting(leased))
    assert len(host.datapath.switches) == 1


def test_an_assignment_that_ended_before_we_came_is_never_worn(host: Host) -> None:
    over = workload("web", "slow", 1, expires_at=(NOON - timedelta(seconds=1)).isoformat())
    agent = host.run(wanting(over))
    assert host.worn(agent, "web")[1] == 0
    assert host.datapath.switches == []


def test_an_interface_that_comes_back_is_attached_again(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        host.datapath.unplug("veth-web")
        host.places["web"] = Missing("no interface")
        await agent.reconcile()
        assert phase(agent) == "missing"
        host.plug("web", 99)
        await agent.reconcile()
        assert phase(agent) == "attached"
        assert host.worn(agent, "web")[1] != 0
        assert [entry.ifindex for entry in host.datapath.attached()] == [99]

    host.run(steps)


def test_a_refused_workload_says_why_and_is_left_alone(host: Host) -> None:
    host.places["web"] = Refused("carries the default route")
    agent = host.run(wanting(workload("web", "slow", 1)))
    assert (agent.charges["web"].phase, agent.charges["web"].hold) == ("refused", None)
    assert host.datapath.attached() == []


def test_a_detachment_that_failed_is_tried_again_also_while_the_manager_is_away(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(attachment: int) -> None:
        raise DatapathError(f"attachment {attachment} would not go")

    async def steps(agent: Agent) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(host.datapath, "detach", fails)
            await agent.reconcile(again=1)
        assert len(host.datapath.attached()) == 1
        await agent.reconcile(again=1)
        assert host.datapath.attached() == []
        assert agent.charges["web"].hold is None

    host.run(wanting(workload("web", "slow", 1)))
    host.places["web"] = Refused("carries the default route")
    host.run(steps)


def test_a_failed_look_up_leaves_what_is_attached(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        was = host.worn(agent, "web")
        host.places["web"] = Unknown("netlink broke")
        await agent.reconcile(again=8)
        assert host.worn(agent, "web") == was
        assert len(host.datapath.attached()) == 1

    host.run(steps)


def test_two_workloads_on_one_interface_do_not_fight(host: Host) -> None:
    host.places["db"] = host.places["web"]
    agent = host.run(wanting(workload("web", "slow", 1), workload("db", "fast", 1)))
    phases = {name: charge.phase for name, charge in agent.charges.items()}
    assert phases == {"db": "attached", "web": "refused"}
    assert "db" in agent.charges["web"].message


def test_a_persona_that_cannot_be_read_keeps_the_old_one_on(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        was = host.worn(agent, "web")
        broken = {"persona_id": "odd", "persona_revision": 1, "persona": {"persona_id": "odd", "mtu": -1}}
        agent.want(parse_workload(workload_document("web", assignment=broken, sequence=2)))
        await agent.compiled()
        assert host.worn(agent, "web") == was
        assert phase(agent) == "error"
        assert "mtu" in agent.charges["web"].message
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
                agent.charges.setdefault("web", agent.charges["db"].__class__(workload("web", "slow", 1)))
                return super().__getitem__(name)

        host.places = Late(look_up)
        await agent.reconcile()
        assert {entry.interface for entry in host.datapath.attached()} == {"veth-web", "veth-db"}

    host.run(steps)


@pytest.mark.parametrize("dies_at", range(12))
def test_killed_anywhere_it_ends_where_it_should(host: Host, dies_at: int) -> None:
    """The data path fails for good at the n-th call, as if the agent had been killed there."""
    wanted = [workload("web", "slow", 1), workload("db", "fast", 1)]

    async def doomed(agent: Agent) -> None:
        host.datapath.dies_after(dies_at)
        agent.replace_all(wanted)
        try:
            await agent.reconcile()
            agent.want(workload("web", "fast", 2))
        except DatapathError:
            pass

    host.run(doomed)
    host.datapath.dies_after(None)
    agent = host.run(wanting(workload("web", "fast", 2), wanted[1]))
    assert host.worn(agent, "web")[1] == host.worn(agent, "db")[1] != 0
    assert len(host.datapath.attached()) == 2


def test_what_is_wanted_is_on_disk_before_the_store(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        seen: list[int] = []
        journal = host.path / "journal.json"
        host.datapath.before_switch = lambda: seen.append(
            json.loads(journal.read_bytes().splitlines()[-1][9:])["sequence"]
        )
        agent.want(workload("web", "fast", 2))
        assert seen == [2]

    host.run(steps)


def test_a_journal_of_another_release_is_no_reason_not_to_start(host: Host) -> None:
    with Journal(host.path / "journal.json", boot="b") as journal:
        journal.put(Record("web", '{"workload_id": "web"}', attachment=1, ifindex=11))
        journal.put(Record("db", "no JSON"))

    async def steps(agent: Agent) -> None:
        assert agent.charges == {}

    host.run(steps)


def test_a_lost_look_up_keeps_what_is_attached_and_dresses_it(host: Host) -> None:
    """While a container runtime is away, what it runs goes on and can be given another persona."""
    host.datapath.plug("v0", 7)
    host.places["web"] = Found(endpoint("v0", 7))

    async def steps(agent: Agent) -> None:
        agent.replace_all([workload("web", "slow", 1)])
        await agent.reconcile()
        host.places["web"] = Unknown("no runtime")
        agent.look_again(lambda _: True)
        await agent.reconcile()
        assert agent.charges["web"].phase == "attached"
        agent.want(workload("web", "fast", 2))
        assert agent.charges["web"].applied_sequence == 2
        host.datapath.unplug("v0")
        await agent.reconcile()
        assert (agent.charges["web"].phase, agent.charges["web"].message) == ("error", "no runtime")

    host.run(steps)


def test_what_is_looked_for_again_during_a_pass_is_looked_up_in_the_next(host: Host) -> None:
    host.datapath.plug("v0", 7)
    host.datapath.plug("v1", 8)
    host.places["web"] = Found(endpoint("v0", 7))

    async def steps(agent: Agent) -> None:
        class Moving(dict[str, Any]):
            """Something happens to the workload right after each look at it."""

            def __getitem__(self, name: str) -> Any:
                agent.look_again(lambda _: True)
                return super().__getitem__(name)

        host.places = Moving(host.places)
        agent.replace_all([workload("web")])
        await agent.reconcile()
        host.places["web"] = Found(endpoint("v1", 8))
        await agent.reconcile()
        hold = agent.charges["web"].hold
        assert hold is not None
        assert hold.ifindex == 8

    host.run(steps)


def crowd(host: Host, count: int) -> list[Workload]:
    """Workloads with an interface each."""
    names = [f"c{number}" for number in range(count)]
    for ifindex, name in enumerate(names, start=100):
        host.plug(name, ifindex)
    return [workload(name, "slow", 1) for name in names]


def test_each_wears_its_persona_as_soon_as_it_is_attached(host: Host) -> None:
    worn: list[int] = []
    host.datapath.before_switch = lambda: worn.append(host.datapath.attaches)
    host.run(wanting(*crowd(host, 3)))
    assert worn == [1, 2, 3]


def test_what_happens_while_a_thousand_attach_waits_for_a_few_of_them(host: Host) -> None:
    many = crowd(host, 3 * MOVES)

    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        agent.replace_all([workload("web", "slow", 1), *many])
        host.datapath.before_switch = agent.wake.set
        host.plug("web", 99)
        agent.look_again(lambda moved: moved.workload_id == "web")
        await agent.reconcile()
        assert host.datapath.attaches == 1 + MOVES - 1  # the last of its moves was a detachment
        hold = agent.charges["web"].hold
        assert hold is not None
        assert hold.ifindex == 99
        host.datapath.before_switch = lambda: None
        await agent.reconcile()
        assert len(host.datapath.attached()) == len(agent.charges)

    host.run(steps)


def test_what_cannot_be_attached_keeps_no_others_waiting(host: Host) -> None:
    many = crowd(host, 2 * MOVES)
    for one in many[:MOVES]:
        host.datapath.unplug(f"veth-{one.workload_id}")  # since it was looked up

    async def steps(agent: Agent) -> None:
        host.datapath.before_switch = agent.wake.set
        await wanting(*many)(agent)
        assert len(host.datapath.attached()) == MOVES
        assert agent.charges["c0"].phase == "error"

    host.run(steps)


def test_a_manager_that_starts_anew_is_told_how_everything_is(host: Host) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(workload("web", "slow", 1))(agent)
        assert host.changed == ["web"]
        agent.replace_all([workload("web", "slow", 1), workload("db")])
        assert host.changed == ["web", "web"]  # and of the other one when it was looked for

    host.run(steps)
