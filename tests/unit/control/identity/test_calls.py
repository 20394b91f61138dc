"""Whoever asks, and for whatever change: the service is told who it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from tests.unit.control.outcomes import ANYHOW

from netpersona.control import FakeStore, NoAuth, Service, TokenAuth, create_app
from netpersona.control.identity.calls import ROOT, Call
from netpersona.control.models import NewWorkload
from netpersona.control.preconditions import Precondition
from netpersona.control.problems import PreconditionFailed
from netpersona.kinds.host import HostReport
from netpersona.kinds.verification import VerificationRequest, VerificationResult
from netpersona.kinds.workload import StatusReport

WORKLOAD = {"workload_id": "w", "kind": "interface", "interface": "tap0"}
DONE = {"state": "done"}
STALE = Call(condition=Precondition(if_match='"999999"'))


@pytest.mark.parametrize("auth", [NoAuth(), TokenAuth(["s3cret"])], ids=["socket", "token"])
def test_agents_reports_and_verifications_say_who_makes_them(auth: NoAuth | TokenAuth) -> None:
    service = Service(FakeStore())
    heard: dict[str, str] = {}

    def listened(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def called(*arguments: Any) -> Any:
            (call,) = [argument for argument in arguments if isinstance(argument, Call)]
            heard[name] = call.caller.over
            assert (call.caller == ROOT) == isinstance(auth, NoAuth)
            return method(*arguments)

        return called

    for owner, names in (
        (service, ["report_status"]),
        (service.hosts, ["put"]),
        (service.verifications, ["request", "report", "cancel"]),
    ):
        for name in names:
            setattr(owner, name, listened(name, getattr(owner, name)))

    async def story() -> None:
        transport = httpx2.ASGITransport(create_app(service, auth))
        headers = {"Authorization": "Bearer s3cret"}
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://netpersona", headers=headers
        ) as client:

            async def ask(method: str, path: str, body: object = None) -> Any:
                answer = await client.request(method, path, json=body)
                assert answer.is_success, answer.text
                return answer.json()

            await ask("POST", "/v1/workloads", WORKLOAD)
            await ask("PUT", "/v1/hosts/a", {})
            await ask("PUT", "/v1/workloads/w/status", {"phase": "missing"})
            heard.pop("report_status")
            await ask("PUT", "/v1/hosts/a/statuses", {"statuses": {"w": {"phase": "missing"}}})
            for _ in range(2):
                asked = await ask("POST", "/v1/workloads/w/verifications", {})
                one = f"/v1/workloads/w/verifications/{asked['verification_id']}"
                await (ask("PUT", one, DONE) if "report" not in heard else ask("DELETE", one))

    asyncio.run(story())
    over = "socket" if isinstance(auth, NoAuth) else "token"
    assert heard == dict.fromkeys(["put", "report_status", "request", "report", "cancel"], over)


def test_what_the_caller_knows_is_held_against_what_is_there(service: Service) -> None:
    """In process, as roles will find it; over HTTP these requests take no conditions."""

    async def story() -> None:
        await service.assignments.create(NewWorkload.model_validate(WORKLOAD))
        with pytest.raises(PreconditionFailed):
            service.report_status("w", StatusReport(phase="missing"), STALE)
        assert service.statuses.get("w") is None
        with pytest.raises(PreconditionFailed):
            service.hosts.put("a", HostReport(), ANYHOW)
        assert service.hosts.count() == 0
        with pytest.raises(PreconditionFailed):
            await service.verifications.request("w", VerificationRequest(), STALE)
        name = (await service.verifications.request("w", VerificationRequest(), ANYHOW)).key.partition("/")[2]
        with pytest.raises(PreconditionFailed):
            await service.verifications.report("w", name, VerificationResult(state="done"), STALE)
        with pytest.raises(PreconditionFailed):
            await service.verifications.cancel("w", name, STALE)
        assert service.verifications.record("w", name).value["state"] == "pending"

    asyncio.run(story())
