"""How long a pass of the agent keeps its event loop, where a switch would have to wait."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import uvloop

from lab.rows import Figure
from netpersona.agent.__main__ import SWITCH_INTERVAL_S
from netpersona.agent.agent import LOOK_UPS, Agent
from netpersona.agent.desired import Workload, parse_workload
from netpersona.agent.journal import Journal
from netpersona.agent.places import Found, Place
from netpersona.agent.targets import Moment
from netpersona.datapath import Endpoint, Facing, FakePrograms
from netpersona.logs import set_up

CROWD: Final = 1_000
PASSES: Final = 20
_PERSONA: Final = {"persona_id": "slow", "egress": {"latency": "10ms"}}


def pass_rows() -> Iterator[Figure]:
    """No root, no kernel: the agent as its process has it, over programs in memory."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    set_up(logging.ERROR)  # what attaching a thousand says is no news here
    try:
        with TemporaryDirectory() as directory:
            held_ms = uvloop.run(_holds_ms(Path(directory)))
    finally:
        sys.setswitchinterval(before)
    what = f"a pass over {CROWD:,} workloads keeps the agent's event loop"
    yield Figure(f"{what}, at a time", median(held_ms), "ms", upper=2)
    yield Figure(f"{what}, longest of {PASSES} passes", max(held_ms), "ms")


async def _holds_ms(path: Path) -> list[float]:
    """The longest of each pass in which nothing changes, as they are every second."""
    names = {f"c{number}": number for number in range(100, 100 + CROWD)}
    programs = FakePrograms(names)
    with Journal(path / "journal.json", boot="lab") as journal:
        agent = Agent(
            (programs,),
            journal,
            lambda asked: _found(names, asked),
            programs.vanished,
            lambda: Moment(datetime.now(UTC), time.monotonic_ns()),
            lambda _: None,
        )
        agent.replace_all(parse_workload(_document(name)) for name in names)
        for _ in range(3):  # look up, compile and attach, dress
            await agent.reconcile()
            await agent.all_compiled()
        assert len(programs.observe()) == CROWD
        held_ms = [await _longest_ms(agent) for _ in range(PASSES)]
        agent.close()
    return held_ms


async def _longest_ms(agent: Agent) -> float:
    """Between two turns of the loop."""
    longest = 0.0

    async def turns() -> None:
        nonlocal longest
        before = time.perf_counter()
        while True:
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now

    ticking = asyncio.ensure_future(turns())
    await asyncio.sleep(0)
    await agent.reconcile(again=LOOK_UPS)
    ticking.cancel()
    return longest * 1e3


def _found(names: dict[str, int], asked: Iterable[Workload]) -> dict[str, Place]:
    asked_for = [workload.workload_id for workload in asked]
    return {name: Found(Endpoint(name, names[name], Facing.WORKLOAD)) for name in asked_for}


def _document(name: str) -> dict[str, Any]:
    spec = {"kind": "interface", "host": "lab", "interface": name}
    worn = {"persona_id": "slow", "persona_revision": 1, "persona": _PERSONA}
    return {"workload_id": name, "spec": spec, "sequence": 1, "assignment": worn}
