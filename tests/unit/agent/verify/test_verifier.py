"""The verifier with a prober that sends nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from tests.unit.agent.fakes import FakeManager, assignment, workload_document

from netpersona.agent.desired import parse_workload
from netpersona.agent.status import WorkloadState
from netpersona.agent.verify.verifier import Verifier
from netpersona.datapath import (
    NOTHING,
    Binding,
    Counters,
    EngineStats,
    Facing,
    LaneStats,
    Observation,
    Opened,
    Probe,
    Tally,
    Target,
    Train,
)


class StillProber:
    """Answers as a link without conditions would; waits for `go`, or until it is stopped."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.started: list[int] = []
        self.ended: list[int] = []
        self.traffic = 0

    def __call__(
        self, attachment: int, trains: Sequence[Train], *, settle_ns: int, stopped: Callable[[], bool]
    ) -> Mapping[str, Sequence[Probe]]:
        del settle_ns
        self.started.append(attachment)
        while not (self.go.wait(0.002) or stopped()):
            pass
        self.ended.append(attachment)
        return {train.direction: [_probe(n, train) for n in range(train.count)] for train in trains}

    def verdicts(
        self, attachment: int, packets: Sequence[tuple[str, bytes]], *, stopped: Callable[[], bool]
    ) -> Sequence[Opened | None]:
        del attachment, stopped
        return [Opened("passed", None) for _ in packets]

    def find(self, ifindex: int) -> tuple[int, Facing]:
        return ifindex, Facing.WORKLOAD

    def vanished(self) -> set[int]:
        return set()

    def binding(self, attachment: int) -> Binding:
        raise AssertionError(f"a verification needs no binding, not that of {attachment}")

    def engine(self) -> EngineStats:
        return EngineStats(alive=True, heartbeat_age_ns=0)

    def observe(self, attachment: int) -> Observation:
        counters = Counters(passed=Tally(self.traffic, 1000 * self.traffic))
        self.traffic *= 2
        return Observation(attachment, "veth", counters, counters, LaneStats(), LaneStats())


def _probe(number: int, train: Train) -> Probe:
    sent_ns = number * train.interval_ns
    return Probe(number, sent_ns, (sent_ns + 50_000,), False, train.length)


class Bench:
    def __init__(self, personas: Mapping[str, str]) -> None:
        self.prober, self.manager = StillProber(), FakeManager()
        self.states = {}
        for index, (name, persona) in enumerate(personas.items()):
            worn = assignment(persona)
            if persona == "plain":
                worn["persona"] = {"persona_id": "plain"}
            workload = parse_workload(workload_document(name, assignment=worn))
            target = Target(name, index + 1, None, NOTHING)
            self.states[name] = WorkloadState(workload, target=target, applied_sequence=0)
        self.verifier = Verifier(self.prober, self.prober, self.manager, self.states)

    def ask(self, number: str, workload: str, state: str = "pending") -> None:
        self.verifier.take(
            {
                "verification_id": number,
                "workload_id": workload,
                "state": state,
                "probes": 20,
                "at_most": "5s",
            }
        )

    async def until(self, done: Callable[[], Any]) -> None:
        async with asyncio.timeout(10):
            while not done():  # noqa: ASYNC110 (a thread sets it)
                await asyncio.sleep(0.002)

    def state(self, number: str) -> object:
        return self.manager.verifications.get(number, {}).get("state")


def test_it_says_how_long_it_takes_before_it_says_what_came_of_it() -> None:
    async def story() -> None:
        bench = Bench({"web": "plain"})
        bench.ask("v1", "web")
        await bench.until(lambda: bench.state("v1") == "running")
        assert 0.2 < float(bench.manager.verifications["v1"]["takes_s"]) < 5
        bench.prober.go.set()
        await bench.until(lambda: bench.state("v1") == "done")
        rows = {
            (r["direction"], r["quantity"]): r["verdict"] for r in bench.manager.verifications["v1"]["rows"]
        }
        assert rows["egress", "delay"] == rows["ingress", "default: any flow"] == "yes"
        assert rows["egress", "loss"] == "too few"

    asyncio.run(story())


def test_verifications_run_one_after_another() -> None:
    async def story() -> None:
        bench = Bench({"web": "plain", "db": "plain"})
        bench.ask("v1", "web")
        bench.ask("v2", "db")
        await bench.until(lambda: bench.prober.started)
        assert (bench.prober.started, bench.state("v2")) == ([1], None)
        bench.prober.go.set()
        await bench.until(lambda: bench.state("v2") == "done")
        assert bench.prober.started == bench.prober.ended == [1, 2]

    asyncio.run(story())


@pytest.mark.parametrize("which", ["running", "waiting"])
def test_a_cancelled_one_ends_and_the_next_one_goes_on(which: str) -> None:
    async def story() -> None:
        bench = Bench({"web": "plain", "db": "plain", "mail": "plain"})
        for number, name in (("v1", "web"), ("v2", "db"), ("v3", "mail")):
            bench.ask(number, name)
        await bench.until(lambda: bench.prober.started)
        cancelled = "v1" if which == "running" else "v2"
        bench.ask(cancelled, "web", state="cancelled")
        if which == "running":
            await bench.until(lambda: bench.prober.ended)
        bench.prober.go.set()
        await bench.until(lambda: bench.state("v3") == "done")
        assert bench.state(cancelled) == ("running" if which == "running" else None)
        assert bench.prober.started == ([1, 2, 3] if which == "running" else [1, 3])

    asyncio.run(story())


@pytest.mark.parametrize("change", ["switched", "detached"])
def test_a_switch_ends_it_at_once(change: str) -> None:
    async def story() -> None:
        bench = Bench({"web": "plain"})
        bench.ask("v1", "web")
        await bench.until(lambda: bench.prober.started)
        if change == "switched":
            bench.states["web"].applied_sequence += 1
        else:
            bench.states["web"].target = None
        await bench.until(lambda: bench.state("v1") == "failed")
        assert "verify again" in bench.manager.verifications["v1"]["message"]

    asyncio.run(story())


def test_a_running_one_that_another_agent_left_is_run_again() -> None:
    async def story() -> None:
        bench = Bench({"web": "plain"})
        bench.prober.go.set()
        bench.ask("v1", "web", state="running")
        await bench.until(lambda: bench.state("v1") == "done")

    asyncio.run(story())


def test_traffic_of_the_workload_is_told() -> None:
    async def story() -> None:
        bench = Bench({"web": "plain"})
        bench.prober.go.set()
        bench.prober.traffic = 1000
        bench.ask("v1", "web")
        await bench.until(lambda: bench.state("v1") == "done")
        assert "own packets shared the link" in bench.manager.verifications["v1"]["message"]

    asyncio.run(story())
