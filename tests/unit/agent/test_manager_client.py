import asyncio
from collections.abc import Callable

import httpx2
import pytest

from netpersona.agent.manager_client import HttpManager, ManagerRefused, ManagerUnreachable

Answer = Callable[[httpx2.Request], httpx2.Response]


def manager_that(answers: Answer, monkeypatch: pytest.MonkeyPatch) -> HttpManager:
    monkeypatch.setattr(httpx2, "AsyncHTTPTransport", lambda **_: httpx2.MockTransport(answers))
    return HttpManager("http://manager:8470", token="secret")


@pytest.mark.parametrize("status", [410, 429, 500, 503])
def test_what_may_work_later_is_unreachable(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = manager_that(lambda _: httpx2.Response(status), monkeypatch)
    with pytest.raises(ManagerUnreachable):
        asyncio.run(manager.put_statuses("h", {}))


@pytest.mark.parametrize("status", [401, 404, 422])
def test_what_will_not_work_later_is_refused(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    manager = manager_that(lambda _: httpx2.Response(status, text="why"), monkeypatch)
    with pytest.raises(ManagerRefused, match=rf"PUT /v1/hosts/h/statuses: {status} why"):
        asyncio.run(manager.put_statuses("h", {}))


def test_a_broken_connection_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    with pytest.raises(ManagerUnreachable, match="refused"):
        asyncio.run(manager_that(broken, monkeypatch).put_host("h", {}))


def test_names_cannot_leave_their_place_in_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    paths: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        paths.append(request.url.raw_path.decode())
        return httpx2.Response(200)

    asyncio.run(manager_that(answer, monkeypatch).put_verification("a/../b", "v1", {}))
    assert paths == ["/v1/workloads/a%2F..%2Fb/verifications/v1"]
