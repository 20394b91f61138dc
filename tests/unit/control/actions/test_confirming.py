"""Assignments that go back by themselves unless they are confirmed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.control.actions.test_assignments import assign, ready, run, wears
from tests.unit.control.outcomes import shown

from netpersona.control import FakeStore, Service
from netpersona.control.identity.calls import Call
from netpersona.control.preconditions import Precondition
from netpersona.control.problems import Conflict, PreconditionFailed, Unprocessable
from netpersona.kinds.workload import AssignmentRequest, ProbeReport, StatusReport

PROBE = "ping:10.0.0.1"


async def unconfirmed(service: Service, persona_id: str = "b", **more: Any) -> int:
    """The sequence of an assignment that waits 30 seconds."""
    return int((await assign(service, persona_id, confirm_within="30s", **more)).value["sequence"])


def says(service: Service, sequence: int, verdict: Any, message: str = "") -> None:
    report = ProbeReport(sequence=sequence, verdict=verdict, message=message)
    service.report_status("w", StatusReport(phase="attached", applied_sequence=sequence, probe=report))


def test_what_nobody_confirms_goes_back_and_says_so(service: Service, clock: Any) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "a")
        await unconfirmed(service)
        waits = shown(service)["assignment"]
        assert (waits["persona_id"], waits["confirm_by"]) == ("b", "2030-01-01T00:00:30.000000Z")
        clock.advance(seconds=30)
        await service.assignments.expire()
        after = shown(service)
        assert (after["assignment"]["persona_id"], after["assignment"]["expires_at"]) == ("a", None)
        assert after["assignment"]["follows"]
        assert after["reverted"]["persona_id"] == "b"
        assert after["reverted"]["reason"] == "not confirmed in time"
        with pytest.raises(Conflict, match="too late: b went back"):
            await service.assignments.confirm("w")
        await assign(service, "a")
        assert shown(service)["reverted"] is None

    run(story())


def test_what_is_confirmed_stays_as_it_is(service: Service, clock: Any) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "a")
        sequence = await unconfirmed(service)
        before = shown(service)["assignment"]
        clock.advance(seconds=29)
        await service.assignments.confirm("w")
        after = shown(service)
        gone = {"expires_at", "confirm_by", "fallback", "sequence"}
        assert {k: v for k, v in before.items() if k not in gone} == {
            k: v for k, v in after["assignment"].items() if k not in gone
        }
        assert [after["assignment"][key] for key in ("expires_at", "confirm_by", "fallback")] == [None] * 3
        assert after["sequence"] == sequence + 1
        clock.advance(days=400)
        await service.assignments.expire()
        assert wears(service) == "b"
        with pytest.raises(Conflict, match="nothing of workload w waits"):
            await service.assignments.confirm("w")
        await service.assignments.rollback("w")
        assert wears(service) == "a"

    run(story())


def test_the_way_back_may_be_nothing(service: Service, clock: Any) -> None:
    async def story() -> None:
        await ready(service)
        await unconfirmed(service)
        clock.advance(seconds=30)
        await service.assignments.expire()
        assert wears(service) is None
        assert shown(service)["reverted"]["persona_id"] == "b"

    run(story())


def test_a_second_one_goes_back_to_what_was_confirmed_last(service: Service, clock: Any) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "a")
        await unconfirmed(service, "b")
        clock.advance(seconds=20)
        await unconfirmed(service, "c")
        clock.advance(seconds=20)
        await service.assignments.expire()
        assert wears(service) == "c", "its time begins anew"
        clock.advance(seconds=10)
        await service.assignments.expire()
        assert wears(service) == "a"

    run(story())


def test_a_trial_is_no_way_back(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "a", ttl="60s")
        with pytest.raises(Conflict, match="ends by itself at 2030-01-01T00:01:00"):
            await unconfirmed(service)
        assert wears(service) == "a"

    run(story())


def test_a_confirmation_that_comes_when_the_time_has_passed_is_refused(service: Service, clock: Any) -> None:
    """Also before the manager has written down that it has: the data path has gone back already."""

    async def story() -> None:
        await ready(service)
        await unconfirmed(service)
        clock.advance(seconds=30)
        with pytest.raises(Conflict, match="not confirmed in time"):
            await service.assignments.confirm("w")

    run(story())


def test_a_confirmation_may_name_what_it_is_of(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        await unconfirmed(service)
        revision = service.workloads.record("w").revision
        await unconfirmed(service, "c")
        with pytest.raises(PreconditionFailed):
            await service.assignments.confirm("w", Call(condition=Precondition(if_match=f'"{revision}"')))

    run(story())


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        ({"probe": PROBE}, "/probe"),
        ({"confirm_within": "30s", "ttl": "60s"}, "/ttl"),
        ({"confirm_within": "30s", "fallback": "a"}, "/fallback"),
        ({"confirm_within": "soon"}, "/confirm_within"),
        ({"confirm_within": "0s"}, "/confirm_within"),
        ({"confirm_within": "4s", "probe": PROBE}, "/confirm_within"),
    ],
)
def test_what_cannot_be_asked_is_pointed_at(service: Service, request_: Any, pointer: str) -> None:
    async def story() -> None:
        await ready(service)
        with pytest.raises(Unprocessable) as caught:
            await assign(service, "b", **request_)
        assert [error.pointer for error in caught.value.errors] == [pointer]
        assert wears(service) is None

    run(story())


def test_a_probe_that_passes_confirms(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        sequence = await unconfirmed(service, probe=PROBE)
        assert shown(service)["assignment"]["probe"] == PROBE
        says(service, sequence, None)
        await service.assignments.expire()
        assert shown(service)["assignment"]["confirm_by"]
        says(service, sequence, "passed")
        await service.assignments.expire()
        assignment = shown(service)["assignment"]
        assert [assignment[key] for key in ("persona_id", "confirm_by", "probe")] == ["b", None, None]

    run(story())


def test_a_probe_that_fails_goes_back_at_once_and_says_why(service: Service, clock: Any) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "a")
        sequence = await unconfirmed(service, probe=PROBE)
        clock.advance(seconds=3)
        says(service, sequence, "failed", "no answer")
        await service.assignments.expire()
        after = shown(service)
        assert after["assignment"]["persona_id"] == "a"
        assert after["reverted"]["reason"] == f"{PROBE} failed: no answer"
        assert after["reverted"]["at"] == "2030-01-01T00:00:03.000000Z"

    run(story())


@pytest.mark.parametrize("verdict", ["passed", "failed"])
def test_a_verdict_about_another_assignment_changes_nothing(service: Service, verdict: str) -> None:
    async def story() -> None:
        await ready(service)
        sequence = await unconfirmed(service, "b", probe=PROBE)
        for more in ({"probe": PROBE}, {}):
            newer = await unconfirmed(service, "c", **more)
            says(service, sequence, verdict)
            says(service, newer, None)
            await service.assignments.expire()
            assert wears(service) == "c"
            assert shown(service)["assignment"]["confirm_by"]
        says(service, newer, verdict)
        await service.assignments.expire()
        assert shown(service)["assignment"]["confirm_by"], "nobody was to ask anything"

    run(story())


def test_a_verdict_is_not_lost_where_the_store_cannot_write(service: Service, store: FakeStore) -> None:
    async def story() -> None:
        await ready(service)
        sequence = await unconfirmed(service, probe=PROBE)
        says(service, sequence, "passed")
        store.fail_with = OSError("disk full")
        with pytest.raises(OSError, match="disk full"):
            await service.assignments.expire()
        store.fail_with = None
        await service.assignments.expire()
        assert shown(service)["assignment"]["confirm_by"] is None

    run(story())


def test_twenty_at_once_are_all_answered_and_one_is_worn(service: Service) -> None:
    """One switch at a time: the store takes each against the revision that it was made from."""

    async def story() -> None:
        await ready(service)
        names = ["a", "b", "c"]
        asked = (
            service.assignments.assign("w", AssignmentRequest(persona_id=names[n % 3], confirm_within="30s"))
            for n in range(20)
        )
        answers = await asyncio.gather(*asked, return_exceptions=True)
        done = [one for one in answers if not isinstance(one, Exception)]
        assert all(isinstance(one, Conflict) for one in answers if one not in done)
        assert done
        assert wears(service) in names

    run(story())


def test_it_survives_the_manager(clock: Any) -> None:
    async def story() -> None:
        store = FakeStore()
        await ready(service := Service(store, clock))
        await assign(service, "a")
        await unconfirmed(service, probe=PROBE)
        clock.advance(seconds=31)
        again = Service(store, clock)
        await again.assignments.expire()
        assert wears(again) == "a"
        assert shown(again)["reverted"]["persona_id"] == "b"
        assert shown(Service(store, clock))["reverted"]["persona_id"] == "b"

    run(story())
