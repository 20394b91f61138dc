"""Several drivers side by side: what one does, fails to do or is slow to do is its own affair."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from tests.driver_contract import FAST, SLOW
from tests.queue_length import SHORT, USUAL, FakeQueueLength

from netpersona.agent.reconciler import Reconciler
from netpersona.datapath import (
    LABELS,
    Change,
    DatapathError,
    Driver,
    Endpoint,
    EndpointMissing,
    Facing,
    FakePrograms,
    Target,
    Wanted,
)
from netpersona.kinds.kind import Label

WEB, DB = Endpoint("w0", 11, Facing.WORKLOAD), Endpoint("w1", 12, Facing.WORKLOAD)


def target(name: str, endpoint: Endpoint, assigned: Any = SLOW) -> Target:
    return Target(name, endpoint.ifindex, endpoint, assigned)


@dataclass(frozen=True)
class Step(Change):
    """A change of `Scripted`."""


class Scripted:
    """A driver with one change of each label an interface, whose log is shared."""

    instant = False

    def __init__(self, name: str, log: list[tuple[str, str]]) -> None:
        self.name = name
        self.log = log
        self.threads: set[int] = set()
        self.concerned = True
        self.raises: dict[Label, Exception] = {}
        self.hold: Callable[[], object] = lambda: None

    def probe(self) -> object:
        return None

    def scope(self, wanted: Wanted) -> None:
        del wanted

    def concerns(self, target: Target) -> bool:
        del target
        return self.concerned

    def observe(self, only: object = None) -> Mapping[int, object]:
        del only
        return {}

    def plan(self, current: Mapping[int, object], wanted: Wanted) -> Sequence[Step]:
        del current
        targets = wanted.targets.values()
        return [Step(t.ifindex, t.workload_id, label=label) for t in targets for label in reversed(LABELS)]

    def apply(self, change: Step) -> None:
        self.threads.add(threading.get_ident())
        self.hold()
        if change.label in self.raises and change.workload_id == "web":
            raise self.raises[change.label]
        self.log.append((self.name, change.label))


@dataclass
class Scene:
    """Programs in memory and queue lengths beside them."""

    programs: FakePrograms = field(default_factory=lambda: FakePrograms({"w0": 11, "w1": 12}))
    queues: FakeQueueLength = field(default_factory=lambda: FakeQueueLength({11: USUAL, 12: USUAL}))
    ahead: list[str] = field(default_factory=list)
    reported: list[str] = field(default_factory=list)

    def run(
        self, steps: Callable[[Reconciler], Awaitable[None]], *more: Driver[Any, Any], **options: Any
    ) -> None:
        async def life() -> None:
            reconciler = Reconciler(
                (self.programs, self.queues, *more),
                ahead=lambda wanted: self.ahead.append(wanted.workload_id),
                reported=self.reported.append,
                **options,
            )
            try:
                await steps(reconciler)
            finally:
                reconciler.close()

        asyncio.run(life())


@pytest.fixture
def scene() -> Scene:
    return Scene()


def problems(reconciler: Reconciler, name: str) -> dict[str, str]:
    return {driver: status.problem for driver, status in reconciler.statuses(name).items()}


def test_every_driver_does_its_part(scene: Scene) -> None:
    async def steps(reconciler: Reconciler) -> None:
        web = target("web", WEB)
        assert reconciler.want(web), "attaching takes a pass"
        await reconciler.run()
        assert scene.programs.in_force(11) == SLOW.persona.digest  # type: ignore[union-attr]
        assert scene.queues.lengths == {11: SHORT, 12: USUAL}
        assert problems(reconciler, "web") == {"programs": "", "queue length": ""}
        assert reconciler.is_settled(web)

    scene.run(steps)
    assert set(scene.reported) == {"web"}


def test_what_is_attached_is_switched_at_once_and_written_down_before(scene: Scene) -> None:
    async def steps(reconciler: Reconciler) -> None:
        reconciler.want(target("web", WEB))
        await reconciler.run()
        before = len(scene.programs.binds)
        fast = target("web", WEB, FAST)
        reconciler.want(fast)
        assert scene.programs.binds[before:] == [(11, FAST)]
        assert reconciler.is_settled(fast)
        reconciler.want(target("web", WEB, FAST))
        assert len(scene.programs.binds) == before + 1, "nothing differs"

    scene.run(steps)
    assert scene.ahead == ["web", "web"]


def test_what_cannot_be_written_down_is_not_put_in_force(scene: Scene) -> None:
    async def steps(reconciler: Reconciler) -> None:
        reconciler.want(target("web", WEB))
        await reconciler.run()
        assert problems(reconciler, "web")["programs"] == "disk full"
        assert scene.programs.binds == []

    def full(_: str) -> None:
        raise OSError("disk full")

    scene.ahead = type("Full", (list,), {"append": lambda _self, name: full(name)})()
    scene.run(steps)


def test_without_an_instant_driver_everything_takes_a_pass() -> None:
    log: list[tuple[str, str]] = []

    async def story() -> None:
        reconciler = Reconciler((Scripted("slow", log),))
        assert reconciler.want(target("web", WEB))
        assert log == []
        await reconciler.run()
        reconciler.close()

    asyncio.run(story())
    assert [label for _, label in log] == ["live", "reinit", "flap"]


def test_nobody_disturbs_traffic_before_all_are_through_with_what_does_not(scene: Scene) -> None:
    log: list[tuple[str, str]] = []

    async def steps(reconciler: Reconciler) -> None:
        reconciler.want(target("web", WEB))
        reconciler.want(target("db", DB))
        await reconciler.run()

    scene.run(steps, Scripted("one", log), Scripted("two", log))
    assert [label for _, label in log] == ["live"] * 4 + ["reinit"] * 4 + ["flap"] * 4


def test_drivers_work_off_the_event_loop_each_in_a_thread_of_its_own(scene: Scene) -> None:
    one, two = Scripted("one", []), Scripted("two", [])

    async def steps(reconciler: Reconciler) -> None:
        reconciler.want(target("web", WEB))
        await reconciler.run()
        await reconciler.run()

    scene.run(steps, one, two)
    assert len(one.threads) == len(two.threads) == 1
    assert len(one.threads | two.threads | {threading.get_ident()}) == 3


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("error", [DatapathError("refused"), ZeroDivisionError("a bug")], ids=repr)
def test_a_driver_that_fails_stops_no_other_and_none_of_its_other_workloads(
    scene: Scene, label: Label, error: Exception
) -> None:
    broken = Scripted("broken", [])
    broken.raises = {label: error}

    async def steps(reconciler: Reconciler) -> None:
        reconciler.want(target("web", WEB))
        reconciler.want(target("db", DB))
        await reconciler.run()
        assert str(error) in problems(reconciler, "web")["broken"]
        assert problems(reconciler, "db") == {"programs": "", "queue length": "", "broken": ""}
        assert scene.queues.lengths == {11: SHORT, 12: SHORT}
        assert len(broken.log) == 3 + LABELS.index(label), "what came before, and nothing after"
        broken.raises = {}
        await reconciler.run()
        assert problems(reconciler, "web")["broken"] == ""

    scene.run(steps, broken)


def test_a_driver_that_cannot_look_says_so_of_all_and_stops_no_other(scene: Scene) -> None:
    class Blind(FakeQueueLength):
        name = "blind"

        def _read(self) -> dict[int, int]:
            raise DatapathError("cannot look")

    async def steps(reconciler: Reconciler) -> None:
        reconciler.want(target("web", WEB))
        await reconciler.run()
        assert problems(reconciler, "web") == {"programs": "", "queue length": "", "blind": "cannot look"}

    scene.run(steps, Blind({}))


def test_a_driver_that_hangs_holds_up_nobody_for_long(scene: Scene) -> None:
    let_go = threading.Event()
    hung = Scripted("hung", [])
    hung.hold = let_go.wait

    async def steps(reconciler: Reconciler) -> None:
        reconciler.want(target("web", WEB))
        await reconciler.run()
        assert scene.queues.lengths[11] == SHORT
        assert "hung" not in problems(reconciler, "web")
        reconciler.want(target("db", DB))
        await reconciler.run()
        assert scene.queues.lengths[12] == SHORT
        let_go.set()
        while "hung" not in problems(reconciler, "db"):
            await reconciler.run()

    try:
        scene.run(steps, hung, patience_s=0.05)
    finally:
        let_go.set()


def test_a_driver_that_is_late_makes_a_new_plan_as_soon_as_it_is_asked_again(scene: Scene) -> None:
    many = {f"w{n}": n for n in range(100, 140)}
    scene.programs.interfaces = many | {"w0": 11}
    let_go = threading.Event()

    async def steps(reconciler: Reconciler) -> None:
        for name, ifindex in many.items():
            reconciler.note(target(name, Endpoint(name, ifindex, Facing.WORKLOAD)))
        await reconciler.run()
        reconciler.note(target("web", WEB))
        await reconciler.run(urgent={"web"})  # finds it busy
        let_go.set()
        while 11 not in scene.programs.observe():
            await reconciler.run(urgent={"web"})
        attached = [change.ifindex for change in scene.programs.made if not change.instant]
        assert attached[:12] == [*range(100, 111), 11]

    def waiting(change: Any) -> None:
        if not change.instant and change.ifindex == 110:
            let_go.wait()

    scene.programs.before = waiting
    scene.queues.lengths = dict.fromkeys(many.values(), SHORT) | {11: SHORT}
    try:
        scene.run(steps, patience_s=0.05)
    finally:
        let_go.set()


def test_the_newest_wish_wins_over_what_a_pass_has_planned(scene: Scene) -> None:
    attach = scene.programs.apply

    async def steps(reconciler: Reconciler) -> None:
        loop = asyncio.get_running_loop()

        def meanwhile(change: Any) -> None:
            attach(change)
            if not change.instant:
                done = threading.Event()

                def newer() -> None:
                    reconciler.want(target("web", WEB, FAST))
                    done.set()

                loop.call_soon_threadsafe(newer)
                done.wait(5)

        scene.programs.apply = meanwhile  # type: ignore[method-assign]
        reconciler.want(target("web", WEB, SLOW))
        await reconciler.run()
        assert scene.programs.binds == [(11, FAST)]

    scene.run(steps)


def test_what_was_given_up_during_a_pass_is_not_attached(scene: Scene) -> None:
    attach = scene.programs.apply

    async def steps(reconciler: Reconciler) -> None:
        def meanwhile(change: Any) -> None:
            attach(change)
            reconciler.drop(target("db", DB))

        scene.programs.apply = meanwhile  # type: ignore[method-assign]
        reconciler.note(target("web", WEB))
        reconciler.note(target("db", DB))
        await reconciler.run(complete=True)
        assert set(scene.programs.observe()) == {11}

    scene.run(steps)


def test_an_interface_that_another_workload_has_by_now_is_not_dropped(scene: Scene) -> None:
    async def steps(reconciler: Reconciler) -> None:
        reconciler.note(target("web", WEB))
        reconciler.note(target("db", WEB))
        reconciler.drop(target("web", WEB))
        await reconciler.run(complete=True)
        assert set(scene.programs.observe()) == {11}
        assert reconciler.statuses("web") == {}

    scene.run(steps)


def test_a_hurried_pass_ends_early_and_the_next_goes_on(scene: Scene) -> None:
    many = {f"w{n}": n for n in range(100, 140)}
    scene.programs.interfaces = many

    async def steps(reconciler: Reconciler) -> None:
        for name, ifindex in many.items():
            reconciler.note(target(name, Endpoint(name, ifindex, Facing.WORKLOAD)))
        await reconciler.run(hurried=lambda: True)
        some = len(scene.programs.observe())
        assert 0 < some < 40
        await reconciler.run()
        assert len(scene.programs.observe()) == 40

    scene.queues.lengths = dict.fromkeys(many.values(), SHORT)
    scene.run(steps)


def test_a_pass_over_a_thousand_goes_round_the_event_loop_often(scene: Scene) -> None:
    scene.programs.interfaces = {f"w{n}": n for n in range(1000, 2000)}

    async def steps(reconciler: Reconciler) -> None:
        for name, ifindex in scene.programs.interfaces.items():
            reconciler.note(target(name, Endpoint(name, ifindex, Facing.WORKLOAD), None))
        await reconciler.run()
        seen: list[int] = []
        reported = len(scene.reported)

        async def others() -> None:
            while True:
                seen.append(len(scene.reported))
                await asyncio.sleep(0)

        for name, ifindex in scene.programs.interfaces.items():
            reconciler.note(target(name, Endpoint(name, ifindex, Facing.WORKLOAD), None))
        task = asyncio.create_task(others())
        await reconciler.run()
        task.cancel()
        assert len(scene.reported) - reported == 2000
        assert max(after - before for before, after in pairwise(seen)) <= 200

    scene.queues.lengths = dict.fromkeys(scene.programs.interfaces.values(), USUAL)
    scene.run(steps)


def test_what_is_missing_is_an_error_of_that_driver_alone(scene: Scene) -> None:
    async def steps(reconciler: Reconciler) -> None:
        gone = target("web", Endpoint("w9", 99, Facing.WORKLOAD))
        reconciler.want(gone)
        await reconciler.run()
        assert "no interface w9" in problems(reconciler, "web")["programs"]
        assert not reconciler.is_settled(gone)

    scene.queues.refused = {99: EndpointMissing("gone")}
    scene.run(steps)


def test_a_driver_that_a_target_does_not_concern_needs_no_pass() -> None:
    scripted = Scripted("scripted", [])
    reconciler = Reconciler([FakePrograms({"w0": 11}), scripted])

    async def steps() -> None:
        reconciler.note(target("web", WEB))
        await reconciler.run()
        assert reconciler.want(target("web", WEB))
        scripted.concerned = False
        assert not reconciler.want(target("web", WEB))
        reconciler.close()

    asyncio.run(steps())
