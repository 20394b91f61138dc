"""What every driver does. Its tests subclass `DriverContract`, once for the driver and once for its fake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Protocol

import pytest

from netpersona.datapath import LABELS, Assigned, DatapathError, Driver, Endpoint, Facing, Target, Wanted
from netpersona.kinds.persona import compile_persona, from_mapping

SLOW, FAST = (
    Assigned(compile_persona(from_mapping({"persona_id": name, "egress": {"latency": latency}, **hardware})))
    for name, latency, hardware in (
        ("slow", "50ms", {"txqueuelen": 100, "offloads": {"tso": False}}),
        ("fast", "1ms", {"txqueuelen": 200, "offloads": {"gro": True}}),
    )
)
NEVER = 10_000
"""More moments than any plan has."""


class World(Protocol):
    """Two interfaces, and whatever a driver works on; it outlives the driver."""

    driver: Driver[Any, Any]
    interfaces: tuple[Endpoint, Endpoint]

    def unplug(self, endpoint: Endpoint) -> None: ...

    def cut_at(self, moment: int | None) -> None:
        """Die at a moment, counted from now over those before and after each part of `apply`; None: live."""

    def restart(self) -> None:
        """`driver` is another process' now."""


def wanting(*targets: Target, complete: bool = True, released: Iterable[int] = ()) -> Wanted:
    return Wanted({target.ifindex: target for target in targets}, frozenset(released), complete)


def target(endpoint: Endpoint, assigned: Assigned | None = SLOW) -> Target:
    return Target(f"of {endpoint.interface}", endpoint.ifindex, endpoint, assigned)


def look(driver: Driver[Any, Any], wanted: Wanted) -> Mapping[int, Any]:
    """What a plan for that starts from."""
    return driver.observe(driver.scope(wanted))


def planned(world: World, wanted: Wanted) -> list[Any]:
    return list(world.driver.plan(look(world.driver, wanted), wanted))


def converge(world: World, wanted: Wanted) -> None:
    for change in planned(world, wanted):
        world.driver.apply(change)


class DriverContract:
    """`world` is a fixture of the subclass."""

    def test_nothing_is_planned_for_nothing(self, world: World) -> None:
        assert planned(world, wanting()) == []

    def test_what_was_made_so_needs_no_change(self, world: World) -> None:
        wanted = wanting(*map(target, world.interfaces))
        assert planned(world, wanted) != []
        converge(world, wanted)
        assert planned(world, wanted) == []
        converge(world, wanting(target(world.interfaces[0], FAST)))
        assert planned(world, wanting(target(world.interfaces[0], FAST))) == []

    def test_planning_touches_nothing(self, world: World) -> None:
        before = world.driver.observe()
        planned(world, wanting(target(world.interfaces[0])))
        assert world.driver.observe() == before

    def test_every_step_can_be_made_twice(self, world: World) -> None:
        wanted = wanting(*map(target, world.interfaces))
        for change in planned(world, wanted):
            world.driver.apply(change)
            world.driver.apply(change)
        assert planned(world, wanted) == []

    def test_every_step_says_what_it_does_to_traffic_and_whose_it_is(self, world: World) -> None:
        for change in planned(world, wanting(target(world.interfaces[0]))):
            assert change.label in LABELS
            assert change.workload_id == target(world.interfaces[0]).workload_id
            assert change.ifindex == world.interfaces[0].ifindex
            assert world.driver.instant or not change.instant

    def test_what_nobody_wants_goes_once_all_that_is_wanted_is_known(self, world: World) -> None:
        clean = world.driver.observe()
        converge(world, wanting(*map(target, world.interfaces)))
        assert planned(world, wanting(complete=False)) == []
        converge(world, wanting())
        assert world.driver.observe() == clean

    def test_what_is_released_goes_at_once(self, world: World) -> None:
        first, second = world.interfaces
        converge(world, wanting(*map(target, world.interfaces)))
        released = wanting(complete=False, released=[first.ifindex])
        converge(world, released)
        assert planned(world, released) == []
        assert planned(world, wanting(target(second), complete=False)) == []
        assert planned(world, wanting(target(first), complete=False)) != []

    def test_what_cannot_be_looked_up_stays_and_can_be_given_something_else(self, world: World) -> None:
        endpoint = world.interfaces[0]
        converge(world, wanting(target(endpoint)))
        lost = replace(target(endpoint), endpoint=None)
        assert planned(world, wanting(lost)) == []
        converge(world, wanting(replace(lost, assigned=FAST)))
        assert planned(world, wanting(target(endpoint, FAST))) == []

    def test_what_is_not_known_yet_changes_nothing_in_force(self, world: World) -> None:
        endpoint = world.interfaces[0]
        converge(world, wanting(target(endpoint)))
        assert planned(world, wanting(target(endpoint, None))) == []

    def test_observing_some_is_observing_all_of_those(self, world: World) -> None:
        first, second = (endpoint.ifindex for endpoint in world.interfaces)
        converge(world, wanting(*map(target, world.interfaces)))
        everything = world.driver.observe()
        assert world.driver.observe((first,)) == {first: everything[first]}
        assert world.driver.observe((second, 1 << 20)) == {second: everything[second]}

    def test_an_interface_that_is_gone_is_an_error_and_no_obstacle(self, world: World) -> None:
        gone = Endpoint("nowhere", 1 << 20, Facing.WORKLOAD)
        with pytest.raises(DatapathError):
            converge(world, wanting(target(gone)))
        converge(world, wanting(target(world.interfaces[0])))
        assert planned(world, wanting(target(world.interfaces[0]))) == []

    def test_an_interface_that_goes_leaves_nothing(self, world: World) -> None:
        clean = world.driver.observe()
        converge(world, wanting(target(world.interfaces[0])))
        world.unplug(world.interfaces[0])
        converge(world, wanting())
        assert planned(world, wanting()) == []
        assert world.driver.observe().keys() <= clean.keys()

    @pytest.mark.parametrize("restarted", [False, True], ids=["same process", "next process"])
    def test_cut_short_anywhere_the_next_plan_ends_it(self, world: World, restarted: bool) -> None:
        """From nothing to one setting, to another and back, dying once at every moment of it."""
        endpoint = world.interfaces[0]
        stages = [wanting(target(endpoint)), wanting(target(endpoint, FAST)), wanting()]
        for moment in range(NEVER):
            if not self._dies(world, stages, moment):
                return
            if restarted:
                world.restart()
            for wanted in (*stages[:2], stages[0], stages[2]):
                converge(world, wanted)
                assert planned(world, wanted) == [], f"at moment {moment}"
        raise AssertionError("it never ended")

    def _dies(self, world: World, stages: list[Wanted], moment: int) -> bool:
        world.cut_at(moment)
        try:
            for wanted in stages:
                converge(world, wanted)
        except DatapathError:
            return True
        finally:
            world.cut_at(None)
        return False
