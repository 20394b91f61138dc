"""A bounded history, told once, also by an agent whose manager is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from tests.unit.agent.fakes import FakeManager

from netpersona.agent.measurements import BATCH, Measurements
from netpersona.datapath import DatapathError, Moved
from netpersona.kinds.measured import HISTORY, Measured, MeasuredDirection


class FakeMeter:
    """Answers what is put into `next`, once."""

    def __init__(self) -> None:
        self.next: Sequence[Moved] | Exception = ()

    def read(self) -> Sequence[Moved]:
        found, self.next = self.next, ()
        if isinstance(found, Exception):
            raise found
        return found


class World:
    def __init__(self) -> None:
        self.meter, self.manager = FakeMeter(), FakeManager()
        self.workloads = {11: "web", 12: "db"}
        self.now_s = 100.0
        self.measurements = Measurements(
            self.meter, self.manager, "h", lambda: self.workloads, lambda: self.now_s
        )

    async def second(self, *moved: Moved) -> None:
        self.now_s += 1
        self.meter.next = moved
        await self.measurements.measure()
        await self.measurements.tell()

    @property
    def told(self) -> list[tuple[str, bool, list[float]]]:
        return [
            (name, report["anew"], [one["egress"]["packets_s"] for one in report["samples"]])
            for batch in self.manager.measured
            for name, report in batch.items()
        ]


def moved(packets_s: float, *, ifindex: int = 11, life: int = 1) -> Moved:
    return Moved(ifindex, 3, life, Measured(interval_s=1.0, egress=MeasuredDirection(packets_s=packets_s)))


def play(script: Callable[[World], Coroutine[Any, Any, None]]) -> World:
    async def run() -> World:
        world = World()
        await script(world)
        world.measurements.close()
        return world

    return asyncio.run(run())


def test_each_sample_is_told_once_and_nothing_of_who_is_idle() -> None:
    async def script(world: World) -> None:
        await world.second(moved(1), moved(5, ifindex=12))
        await world.second(moved(2))
        await world.second()

    assert play(script).told == [("web", True, [1]), ("db", True, [5]), ("web", False, [2])]


def test_what_the_manager_missed_is_told_when_it_is_back() -> None:
    async def script(world: World) -> None:
        world.manager.failing = 2
        for number in range(3):
            await world.second(moved(number))

    assert play(script).told == [("web", True, [0, 1, 2])]


def test_ages_are_those_of_the_telling() -> None:
    async def script(world: World) -> None:
        world.manager.failing = 1
        await world.second(moved(1))
        world.now_s += 4
        await world.second()

    samples = play(script).manager.measured[0]["web"]["samples"]
    assert [one["age_s"] for one in samples] == [5.0]


def test_a_manager_that_forgot_is_told_all_of_it_again() -> None:
    async def script(world: World) -> None:
        await world.second(moved(1))
        world.manager.wanted_again = {"web"}
        await world.second(moved(2))
        await world.second(moved(3))

    assert play(script).told == [("web", True, [1]), ("web", False, [2]), ("web", True, [1, 2, 3])]


def test_a_history_is_bounded() -> None:
    async def script(world: World) -> None:
        world.manager.failing = 10**6
        for number in range(HISTORY + 5):
            await world.second(moved(number))
        world.manager.failing = 0
        await world.second()

    told = [value for _, _, values in play(script).told for value in values]
    assert told == [float(number) for number in range(5, HISTORY + 5)]


def test_requests_are_bounded() -> None:
    async def script(world: World) -> None:
        world.workloads = {number: f"w{number}" for number in range(3 * BATCH)}
        await world.second(*(moved(1, ifindex=number) for number in range(3 * BATCH)))

    assert [len(batch) for batch in play(script).manager.measured] == [BATCH] * 3


def test_another_life_of_the_attachment_begins_anew() -> None:
    async def script(world: World) -> None:
        await world.second(moved(1))
        await world.second(moved(2, life=2))
        assert [one.egress.packets_s for one in world.measurements.history("web")] == [2]

    assert play(script).told == [("web", True, [1]), ("web", True, [2])]


def test_who_is_gone_is_forgotten() -> None:
    async def script(world: World) -> None:
        await world.second(moved(1))
        world.workloads = {}
        await world.second(moved(2))
        assert world.measurements.history("web") == []

    assert play(script).told == [("web", True, [1])]


def test_a_data_path_that_cannot_be_read_leaves_what_was_measured() -> None:
    async def script(world: World) -> None:
        await world.second(moved(1))
        world.meter.next = DatapathError("gone")
        await world.measurements.measure()
        assert len(world.measurements.history("web")) == 1

    play(script)
