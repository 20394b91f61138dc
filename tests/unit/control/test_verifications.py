from __future__ import annotations

import asyncio

import pytest

from netpersona.control import Service
from netpersona.control.models import NewWorkload, VerificationRequest, VerificationResult
from netpersona.control.problems import Conflict, NotFound, Unprocessable
from netpersona.control.verifications import KEPT_BOUND, verification_resource


async def ask(service: Service, **more: object) -> str:
    record = await service.verifications.request("w", VerificationRequest.model_validate(more))
    return str(verification_resource(record)["verification_id"])


async def ready(service: Service) -> None:
    for name in ("w", "w2"):
        await service.workloads.create(NewWorkload(workload_id=name, kind="vm", interface="tap0"))


def test_a_verification_is_pending_until_its_result(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        name = await ask(service, probes=50)
        assert service.verifications.get("w", name).value["state"] == "pending"
        result = VerificationResult(state="done", message="ok")
        await service.verifications.finish("w", name, result)
        resource = verification_resource(service.verifications.get("w", name))
        assert (resource["state"], resource["probes"], resource["finished_at"]) == (
            "done",
            50,
            "2030-01-01T00:00:00.000000Z",
        )
        await service.verifications.finish("w", name, result)
        with pytest.raises(Conflict):
            await service.verifications.finish("w", name, VerificationResult(state="failed"))

    asyncio.run(story())


def test_the_last_ones_are_kept(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        other = verification_resource(await service.verifications.request("w2", VerificationRequest()))
        names = [await ask(service) for _ in range(KEPT_BOUND + 2)]
        assert [r.key.partition("/")[2] for r in service.verifications.list("w")] == names[2:]
        assert service.verifications.get("w2", str(other["verification_id"]))
        with pytest.raises(NotFound):
            service.verifications.get("w", names[0])

    asyncio.run(story())


@pytest.mark.parametrize("interval", ["0", "1us", "11s", "10", "soon"])
def test_intervals_have_bounds(service: Service, interval: str) -> None:
    async def story() -> None:
        await ready(service)
        with pytest.raises(Unprocessable) as caught:
            await ask(service, interval=interval)
        assert caught.value.errors[0].pointer == "/interval"

    asyncio.run(story())
