from __future__ import annotations

import asyncio
import sqlite3

import httpx2
import pytest

from netpersona.control import FakeStore, NoAuth, Service, create_app
from netpersona.control.store.protocol import StoreClosed


async def _post(service: Service) -> httpx2.Response:
    transport = httpx2.ASGITransport(app=create_app(service, NoAuth()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://netpersona") as client:
        return await client.post("/v1/personas", json={"persona_id": "p"})


@pytest.mark.parametrize(
    "failure", [StoreClosed("closed"), sqlite3.OperationalError("database or disk is full")]
)
def test_a_store_that_cannot_write_is_a_503_that_says_why(
    service: Service, store: FakeStore, failure: Exception
) -> None:
    store.fail_with = failure
    answer = asyncio.run(_post(service))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert str(failure) in answer.json()["detail"]


def test_nothing_is_acknowledged_that_the_disk_does_not_have(
    service: Service, store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def unsettled() -> None:
        raise StoreClosed("the disk failed")

    monkeypatch.setattr(store, "settled", unsettled)
    assert asyncio.run(_post(service)).status_code == 503
    assert store.get("personas", "p") is not None
