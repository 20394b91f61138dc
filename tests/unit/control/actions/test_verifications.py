from __future__ import annotations

import asyncio
from typing import Any

import pytest

from netpersona.control import Service
from netpersona.control.actions.verifications import KEPT_BOUND
from netpersona.control.models import NewWorkload
from netpersona.control.problems import Conflict, NotFound, Unprocessable
from netpersona.control.store.protocol import Record
from netpersona.kinds.verification import VERIFICATION, VerificationRequest, VerificationResult


async def ask(service: Service, **more: object) -> str:
    record = await service.verifications.request("w", VerificationRequest.model_validate(more))
    return record.key.partition("/")[2]


def shown(service: Service, name: str) -> dict[str, Any]:
    return VERIFICATION.dump(service.verifications.resource(service.verifications.record("w", name)))


def positions(service: Service, records: list[Record]) -> list[int | None]:
    return [one.state.position for one in service.verifications.resources(records)]


async def ready(service: Service) -> None:
    for name in ("w", "w2"):
        await service.assignments.create(NewWorkload(workload_id=name, kind="vm", interface="tap0"))


def test_a_verification_is_pending_until_its_result(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        name = await ask(service, probes=50)
        assert service.verifications.record("w", name).value["state"] == "pending"
        result = VerificationResult(state="done", message="ok")
        await service.verifications.report("w", name, result)
        resource = shown(service, name)
        assert (resource["state"], resource["probes"], resource["finished_at"]) == (
            "done",
            50,
            "2030-01-01T00:00:00.000000Z",
        )
        await service.verifications.report("w", name, result)
        with pytest.raises(Conflict):
            await service.verifications.report("w", name, VerificationResult(state="failed"))

    asyncio.run(story())


def test_the_last_ones_are_kept(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        other = await service.verifications.request("w2", VerificationRequest())
        names = [await ask(service) for _ in range(KEPT_BOUND + 2)]
        assert [r.key.partition("/")[2] for r in service.verifications.list("w")] == names[2:]
        assert service.verifications.record("w2", other.key.partition("/")[2])
        with pytest.raises(NotFound):
            service.verifications.record("w", names[0])

    asyncio.run(story())


def test_a_running_one_says_how_long_it_takes(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        name = await ask(service)
        await service.verifications.report("w", name, VerificationResult(state="running", takes_s=2.5))
        resource = shown(service, name)
        assert (resource["state"], resource["takes_s"], resource["position"]) == ("running", 2.5, 0)
        await service.verifications.report("w", name, VerificationResult(state="done"))
        resource = shown(service, name)
        assert (resource["state"], resource["takes_s"], resource["position"]) == ("done", 2.5, None)

    asyncio.run(story())


def test_those_of_a_host_wait_for_each_other(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        await service.assignments.create(
            NewWorkload(workload_id="far", kind="vm", host="other", interface="tap0")
        )
        records = [
            await service.verifications.request(name, VerificationRequest())
            for name in ("w2", "far", "w", "w2")
        ]
        assert positions(service, records) == [0, 0, 1, 2]
        assert [record.key for record in service.verifications.open()] == [record.key for record in records]
        await service.verifications.cancel("w2", records[0].key.partition("/")[2])
        assert positions(service, records)[3] == 1

    asyncio.run(story())


def test_a_cancelled_one_takes_no_result(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        name = await ask(service)
        for _ in range(2):
            record = await service.verifications.cancel("w", name)
            assert record.value["state"] == "cancelled"
        for state in ("running", "done"):
            with pytest.raises(Conflict, match="is cancelled"):
                await service.verifications.report(
                    "w", name, VerificationResult.model_validate({"state": state})
                )

    asyncio.run(story())


def test_a_finished_one_stays_as_it_is(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        name = await ask(service)
        await service.verifications.report("w", name, VerificationResult(state="done", message="ok"))
        assert (await service.verifications.cancel("w", name)).value["state"] == "done"

    asyncio.run(story())


@pytest.mark.parametrize("interval", ["0", "1us", "11s", "10", "soon"])
def test_intervals_have_bounds(service: Service, interval: str) -> None:
    async def story() -> None:
        await ready(service)
        with pytest.raises(Unprocessable) as caught:
            await ask(service, interval=interval)
        assert caught.value.errors[0].pointer == "/interval"

    asyncio.run(story())
