"""Plans by the manager, and what it refuses to assign."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.control.actions.test_assignments import assign, ready, run, wears
from tests.unit.control.outcomes import DRY

from netpersona.control import Service
from netpersona.control.models import NewWorkload
from netpersona.control.problems import Conflict, NotFound, Unprocessable
from netpersona.kinds.workload import AssignmentRequest, StatusReport

HARDWARE = {
    "capabilities": {"driver": "e1000e", "maxima": {"rings/rx": 4096}},
    "settings": {"rings/rx": 256},
}


async def on_a_nic(service: Service, **hardware: Any) -> None:
    await ready(service)
    for name, rings in (("big", 512), ("huge", 8192)):
        await service.personas.create({"persona_id": name, "rings": {"rx": rings}})
    service.report_status("w", StatusReport(phase="attached", hardware={**HARDWARE, **hardware}))


def test_a_plan_stores_nothing_and_says_what_it_went_by(service: Service) -> None:
    async def story() -> None:
        await on_a_nic(service)
        at = service.store.revision
        plan = service.assignments.plan("w", AssignmentRequest(persona_id="big"))
        assert (plan.workload_id, plan.persona_id, plan.label) == ("w", "big", "flap")
        assert plan.hardware.known
        assert service.store.revision == at
        with pytest.raises(NotFound):
            service.assignments.plan("nope", AssignmentRequest(persona_id="big"))
        with pytest.raises(Unprocessable):
            service.assignments.plan("w", AssignmentRequest(persona_id="nope"))

    run(story())


def test_what_takes_the_link_down_must_be_allowed(service: Service) -> None:
    async def story() -> None:
        await on_a_nic(service)
        with pytest.raises(Conflict, match=r"rings/rx takes the link down \(outage 2s\)") as refused:
            await assign(service, "big")
        assert "allow_disruptive" in refused.value.errors[0].remedy
        with pytest.raises(Conflict):
            await assign(service, "big", confirm_within="30s")
        with pytest.raises(Conflict):
            await service.assignments.assign("w", AssignmentRequest(persona_id="big"), DRY)
        assert wears(service) is None
        await assign(service, "big", allow_disruptive=True)
        assert wears(service) == "big"

    run(story())


def test_what_the_interface_cannot_do_is_refused_whatever_is_allowed(service: Service) -> None:
    async def story() -> None:
        await on_a_nic(service)
        with pytest.raises(Unprocessable, match="cannot do what huge asks") as refused:
            await assign(service, "huge", allow_disruptive=True)
        assert "/rings/rx" in refused.value.errors[0].detail
        assert wears(service) is None

    run(story())


def test_settings_that_go_back_may_take_the_link_down_too(service: Service) -> None:
    async def story() -> None:
        await on_a_nic(service, settings={"rings/rx": 512}, saved={"rings/rx": 256})
        with pytest.raises(Conflict, match="rings/rx"):
            await assign(service, "a")
        await service.assignments.release("w")  # a way back is never refused

    run(story())


def test_what_nobody_knows_must_be_allowed(service: Service) -> None:
    async def story() -> None:
        await on_a_nic(service)
        service.statuses.forget("w")
        plan = service.assignments.plan("w", AssignmentRequest(persona_id="big"))
        assert (plan.label, plan.outage_s, plan.hardware.known) == (None, None, False)
        with pytest.raises(Conflict, match="no agent has said what the interface has"):
            await assign(service, "big")
        await assign(service, "a")
        new = {"workload_id": "v", "kind": "vm", "interface": "tap1"}
        for allowed in (False, True):
            wanted = NewWorkload(**new, persona={"persona_id": "big", "allow_disruptive": allowed})
            if allowed:
                await service.assignments.create(wanted)
                continue
            with pytest.raises(Conflict) as refused:
                await service.assignments.create(wanted)
            assert refused.value.errors[0].pointer == "/persona/allow_disruptive"

    run(story())
