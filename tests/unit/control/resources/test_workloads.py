from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.control.outcomes import ANYHOW, DRY_ANYHOW, planned, shown, stored

from netpersona.control import Service
from netpersona.control.http.bodies import validate
from netpersona.control.models import NewWorkload
from netpersona.control.problems import Conflict, NotFound, PreconditionRequired, Unprocessable
from netpersona.kinds.workload import WORKLOAD, AssignmentRequest, StatusReport, WorkloadSpec

VM: dict[str, Any] = {"kind": "vm", "interface": "tap0"}
ATTACHED = StatusReport(phase="attached")


def test_a_workload_starts_with_nothing_on(service: Service) -> None:
    async def story() -> None:
        record = stored(await service.assignments.create(NewWorkload(workload_id="w", **VM)))
        resource = WORKLOAD.dump(service.workloads.resource(record))
        assert resource["spec"] == {
            "kind": "vm",
            "host": "local",
            "netns": None,
            "container": None,
            "domain": None,
            "interface": "tap0",
            "facing": "auto",
            "allow_management": False,
            "labelled": False,
        }
        assert (resource["assignment"], resource["previous"], resource["status"]) == (None, None, None)
        with pytest.raises(Conflict):
            await service.assignments.create(NewWorkload(workload_id="w", **VM))

    asyncio.run(story())


def test_moving_a_workload_keeps_what_it_wears(service: Service) -> None:
    async def story() -> None:
        await service.assignments.create(NewWorkload(workload_id="w", **VM))
        await service.personas.create({"persona_id": "a", "mtu": 1400})
        await service.assignments.assign("w", AssignmentRequest(persona_id="a"))
        moved = {"kind": "vm", "interface": "tap1"}
        with pytest.raises(PreconditionRequired):
            await service.workloads.replace("w", moved)
        plan = planned(await service.workloads.replace("w", moved, DRY_ANYHOW))
        assert plan["changes"] == [
            {"pointer": "/interface", "before": "tap0", "after": "tap1", "label": "reinit"}
        ]
        record = stored(await service.workloads.replace("w", moved, ANYHOW))
        assert record.value["spec"]["interface"] == "tap1"
        assert shown(service)["assignment"]["persona_id"] == "a"

    asyncio.run(story())


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"interface": ""}, "/interface"),
        ({"interface": "sixteen-letters!"}, "/interface"),
        ({"interface": "a/b"}, "/interface"),
        ({"interface": ".."}, "/interface"),
        ({"interface": "a b"}, "/interface"),
        ({"interface": 7}, "/interface"),
        ({"kind": "vnic"}, "/kind"),
        ({"netns": "../up"}, "/netns"),
        ({"netns": "a\n"}, "/netns"),
        ({"kind": "netns"}, ""),
        ({"facing": "up"}, "/facing"),
        ({"allow_management": "yes"}, "/allow_management"),
        ({"workload_id": "-"}, "/workload_id"),
        ({"workload_id": "a\n"}, "/workload_id"),
        ({"workload_id": "é"}, "/workload_id"),
        ({"workload_id": "x" * 64}, "/workload_id"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_a_place_that_cannot_be_is_pointed_at(change: dict[str, Any], pointer: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        validate(NewWorkload, {"workload_id": "w", **VM, **change})
    assert [error.pointer for error in caught.value.errors] == [pointer]
    assert caught.value.errors[0].remedy


@pytest.mark.parametrize("name", ["w", "W-1.a_b", "x" * 63, "0"])
def test_names_of_workloads(name: str) -> None:
    assert validate(NewWorkload, {"workload_id": name, **VM}).workload_id == name


@pytest.mark.parametrize("netns", ["blue", "/proc/1/ns/net", "/run/netns/blue"])
def test_a_namespace_is_a_name_or_a_path(netns: str) -> None:
    assert validate(WorkloadSpec, {"kind": "netns", "netns": netns, "interface": "eth0"}).netns == netns


def test_deleting_forgets_status_and_verifications(service: Service) -> None:
    async def story() -> None:
        from netpersona.kinds.verification import VerificationRequest

        await service.assignments.create(NewWorkload(workload_id="w", **VM))
        service.report_status("w", ATTACHED)
        await service.verifications.request("w", VerificationRequest())
        await service.workloads.delete("w")
        with pytest.raises(NotFound):
            service.workloads.get("w")
        await service.assignments.create(NewWorkload(workload_id="w", **VM))
        assert service.statuses.get("w") is None
        assert service.verifications.list("w") == []

    asyncio.run(story())


def test_a_status_leaves_the_revision_alone(service: Service) -> None:
    async def story() -> None:
        record = stored(await service.assignments.create(NewWorkload(workload_id="w", **VM)))
        service.report_status("w", ATTACHED)
        assert service.workloads.get("w").state.status == ATTACHED
        assert service.workloads.get("w").revision == record.revision
        with pytest.raises(NotFound):
            service.report_status("nope", ATTACHED)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"kind": "container"}, "needs the key interface, or container, or domain"),
        ({"kind": "vm", "container": "web"}, "goes with the kind container"),
        ({"kind": "container", "domain": "db"}, "goes with the kind vm"),
        ({"kind": "container", "container": "web", "netns": "web"}, "exclude each other"),
        ({"kind": "container", "container": "../web"}, "another form"),
        ({"kind": "vm", "domain": "a/b"}, "another form"),
        ({"kind": "vm", "interface": "52:54:00:00:00:01"}, "NICs of a domain only"),
    ],
)
def test_a_name_must_go_with_its_kind(spec: dict[str, Any], said: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        validate(NewWorkload, {"workload_id": "w", **spec})
    assert said in str([error.detail for error in caught.value.errors])


@pytest.mark.parametrize(
    "spec",
    [
        {"kind": "container", "container": "web"},
        {"kind": "container", "container": "a" * 64, "interface": "eth1"},
        {"kind": "vm", "domain": "build agent 7", "interface": "52:54:00:00:00:01"},
    ],
)
def test_what_is_found_by_name_needs_no_interface(spec: dict[str, Any]) -> None:
    validate(NewWorkload, {"workload_id": "w", **spec})


def test_a_workload_may_be_born_with_its_persona(service: Service) -> None:
    async def story() -> None:
        await service.personas.create({"persona_id": "a", "mtu": 1400})
        spec = {"workload_id": "w", "kind": "container", "container": "web"}
        wanted = validate(NewWorkload, {**spec, "persona": {"persona_id": "a", "ttl": "1h"}})
        record = stored(await service.assignments.create(wanted))
        assignment = shown(service)["assignment"]
        assert assignment["persona_id"] == "a"
        assert assignment["expires_at"]
        assert "persona" not in record.value["spec"]
        assert record.value["sequence"] == assignment["sequence"]

    asyncio.run(story())


def test_one_whose_persona_there_is_not_is_not_born(service: Service) -> None:
    async def story() -> None:
        spec = {"workload_id": "w", "kind": "container", "container": "web"}
        wanted = validate(NewWorkload, {**spec, "persona": {"persona_id": "absent"}})
        with pytest.raises(Unprocessable) as caught:
            await service.assignments.create(wanted)
        assert [error.pointer for error in caught.value.errors] == ["/persona/persona_id"]
        with pytest.raises(NotFound):
            service.workloads.get("w")

    asyncio.run(story())
