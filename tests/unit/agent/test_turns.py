"""What a pass does between two turns of the event loop, counted: `make bench` says how long that takes."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Awaitable
from types import FrameType

import pytest
from tests.unit.agent.hosts import Host, crowd, wanting

from netpersona.agent.agent import Agent
from netpersona.agent.reconciler import STRIDE

CROWD = 1_000
CALLS = 4_000
"""Half a millisecond to a whole one."""


async def called_between_turns(work: Awaitable[None]) -> list[Counter[str]]:
    """How often the loop's thread calls each function, by its name, before the loop goes round."""
    turns = [Counter[str]()]

    def count(frame: FrameType, what: str, _: object) -> None:
        turns[-1][frame.f_code.co_name] += what == "call"

    async def go_round() -> None:
        while True:
            turns.append(Counter())
            await asyncio.sleep(0)

    going = asyncio.ensure_future(go_round())
    sys.setprofile(count)
    try:
        await work
    finally:
        sys.setprofile(None)
        going.cancel()
    return turns


@pytest.mark.parametrize("moved", [False, True])
def test_a_pass_goes_round_the_loop_however_many_workloads(host: Host, moved: bool) -> None:
    async def steps(agent: Agent) -> None:
        await wanting(*crowd(host, CROWD))(agent)
        if moved:
            agent.look_again(lambda _: True)
        turns = await called_between_turns(agent.reconcile())
        assert max(turn.total() for turn in turns) < CALLS
        for name in ("_aim", "_say"):
            assert sum(turn[name] for turn in turns) == CROWD
            assert max(turn[name] for turn in turns) <= STRIDE

    host.run(steps)
