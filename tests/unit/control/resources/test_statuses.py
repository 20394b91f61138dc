from __future__ import annotations

import asyncio
from typing import Any

import pytest

from netpersona.control.resources.statuses import Statuses
from netpersona.kinds.workload import StatusReport

LONG_S = 60.0


def status(sequence: int, phase: Any = "attached") -> StatusReport:
    return StatusReport(phase=phase, applied_sequence=sequence)


async def waiting(statuses: Statuses, sequence: int) -> asyncio.Task[bool]:
    task = asyncio.create_task(statuses.applied("w", sequence, LONG_S))
    await asyncio.sleep(0)
    return task


def test_what_is_applied_already_needs_no_wait() -> None:
    async def story() -> bool:
        statuses = Statuses()
        statuses.put("w", status(5))
        return await statuses.applied("w", 5, LONG_S)

    assert asyncio.run(story())


def test_a_wait_ends_with_the_report_of_its_sequence_or_a_later_one() -> None:
    async def story() -> None:
        statuses = Statuses()
        task = await waiting(statuses, 5)
        statuses.put("w", status(4))
        statuses.put("other", status(9))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()
        statuses.put("w", status(6))
        assert await task

    asyncio.run(story())


@pytest.mark.parametrize("phase", ["missing", "refused", "error"])
def test_a_report_that_it_cannot_be_ends_the_wait(phase: str) -> None:
    async def story() -> bool:
        statuses = Statuses()
        task = await waiting(statuses, 5)
        statuses.put("w", status(4, phase))
        return await task

    assert not asyncio.run(story())


def test_patience_ends() -> None:
    assert not asyncio.run(Statuses().applied("w", 1, 0.0))


@pytest.mark.parametrize("end", ["close", "forget"])
def test_nobody_waits_for_what_will_not_come(end: str) -> None:
    async def story() -> bool:
        statuses = Statuses()
        task = await waiting(statuses, 5)
        statuses.close() if end == "close" else statuses.forget("w")
        return await task

    assert not asyncio.run(story())
