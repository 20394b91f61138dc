"""A host that survives its agents, and what is wanted there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.unit.agent.fakes import assignment, endpoint, workload_document

from netpersona.agent.agent import Agent
from netpersona.agent.desired import Workload, parse_workload, references
from netpersona.agent.journal import Journal
from netpersona.agent.places import Found, Place
from netpersona.agent.targets import Moment
from netpersona.datapath import FakePrograms
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


def crowd(host: Host, count: int) -> list[Workload]:
    """Workloads with an interface each."""
    names = [f"c{number}" for number in range(count)]
    for ifindex, name in enumerate(names, start=100):
        host.plug(name, ifindex)
    return [workload(name, "slow", 1) for name in names]
