import asyncio
from collections.abc import Callable

import httpx2
import pytest

from netpersona.agent.manager_client import HttpManager, ManagerRefused, ManagerUnreachable
from netpersona.client import AsyncClient

Answer = Callable[[httpx2.Request], httpx2.Response]


def manager_that(answers: Answer) -> HttpManager:
    client = AsyncClient("http://manager:8470", "secret", transport=httpx2.MockTransport(answers))
    return HttpManager(client)


@pytest.mark.parametrize("status", [410, 429, 500, 503])
def test_what_may_work_later_is_unreachable(status: int) -> None:
    manager = manager_that(lambda _: httpx2.Response(status))
    with pytest.raises(ManagerUnreachable):
        asyncio.run(manager.put_statuses("h", {}))


@pytest.mark.parametrize("status", [401, 404, 422])
def test_what_will_not_work_later_is_refused(status: int) -> None:
    manager = manager_that(lambda _: httpx2.Response(status, json={"detail": "why"}))
    with pytest.raises(ManagerRefused, match=rf"PUT /v1/hosts/h/statuses: {status} why"):
        asyncio.run(manager.put_statuses("h", {}))


def test_a_broken_connection_is_unreachable() -> None:
    def broken(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    with pytest.raises(ManagerUnreachable, match="refused"):
        asyncio.run(manager_that(broken).put_host("h", {}))


def test_names_cannot_leave_their_place_in_the_path() -> None:
    paths: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        paths.append(request.url.raw_path.decode())
        return httpx2.Response(200)

    asyncio.run(manager_that(answer).put_verification("a/../b", "v1", {}))
    assert paths == ["/v1/workloads/a%2F..%2Fb/verifications/v1"]


def test_what_is_not_there_is_deleted() -> None:
    asyncio.run(manager_that(lambda _: httpx2.Response(404)).delete_workload("web"))


def test_a_deletion_that_is_refused_says_so() -> None:
    with pytest.raises(ManagerRefused, match="DELETE /v1/workloads/web: 403"):
        asyncio.run(manager_that(lambda _: httpx2.Response(403)).delete_workload("web"))
