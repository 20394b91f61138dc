"""Personas made on the fly at the manager: put on, and retired when nobody uses them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.control.conftest import FakeClock

from netpersona.control import Service
from netpersona.control.identity.calls import ROOT, Call
from netpersona.control.preconditions import Precondition
from netpersona.control.problems import Conflict
from netpersona.kinds.requirement import Requirement

VOIP = Requirement(application="voip")


async def prepare(service: Service) -> None:
    await service.workloads.create({"workload_id": "web", "kind": "interface", "interface": "lo"})


def run(scenario: Any) -> None:
    asyncio.run(scenario())


def test_it_is_written_and_put_on(service: Service) -> None:
    async def scenario() -> None:
        await prepare(service)
        dry = await service.requirements.put_on("web", VOIP, Call(ROOT, dry_run=True))
        assert dry.told()["dry_run"] is True
        assert service.personas.find("voip-for-web") is None
        done = (await service.requirements.put_on("web", VOIP, Call(ROOT))).told()
        assert (done["persona_id"], done["dry_run"]) == ("voip-for-web", False)
        worn = service.workloads.get("web").state.assignment
        assert worn is not None
        assert worn.persona == done["persona"]
        assert service.personas.get("voip-for-web").state.written_for == "web"
        await service.requirements.put_on("web", Requirement(application="voip", bandwidth="1mbit"))
        assert "1mbit" in str(service.personas.get("voip-for-web").document["description"])

    run(scenario)


def test_it_is_retired_once_nobody_wears_it(service: Service, clock: FakeClock) -> None:
    async def scenario() -> None:
        await prepare(service)
        await service.requirements.put_on("web", VOIP)
        clock.advance(minutes=5)
        assert await service.requirements.retire() == 0, "it is worn"
        await service.assignments.release("web")
        assert await service.requirements.retire() == 1
        assert service.personas.find("voip-for-web") is None
        await service.assignments.rollback("web")
        worn = service.workloads.get("web").state.assignment
        assert worn is not None, "what was worn can still be gone back to"

    run(scenario)


def test_one_that_was_never_put_on_is_retired_after_a_minute(service: Service, clock: FakeClock) -> None:
    """The manager died between storing and assigning it."""

    async def scenario() -> None:
        await prepare(service)
        await service.requirements.put_on("web", VOIP)
        await service.assignments.release("web")
        assert await service.requirements.retire() == 0, "it may be about to be put on"
        clock.advance(seconds=61)
        assert await service.requirements.retire() == 1

    run(scenario)


def test_what_a_person_has_edited_is_hers(service: Service, clock: FakeClock) -> None:
    async def scenario() -> None:
        await prepare(service)
        await service.requirements.put_on("web", VOIP)
        mine = {"persona_id": "voip-for-web", "qos_priority": 4}
        await service.personas.replace("voip-for-web", mine, Call(ROOT, Precondition(if_match="*")))
        await service.assignments.release("web")
        clock.advance(minutes=5)
        assert await service.requirements.retire() == 0
        with pytest.raises(Conflict):
            await service.requirements.put_on("web", VOIP)

    run(scenario)
