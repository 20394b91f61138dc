"""Switches of one workload at the same time, and their way back, asked of a real manager."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from tests.api.conftest import Manager

AT_ONCE = 20


@pytest.fixture(scope="module", autouse=True)
def _there(shared: Manager) -> None:
    with shared.unix() as client:
        for number in range(AT_ONCE):
            client.post(
                "/v1/personas", json={"persona_id": f"s{number}", "mtu": 1300 + number}
            ).raise_for_status()
        for name in ("one", "back"):
            workload = {"workload_id": name, "kind": "vm", "interface": "tap0"}
            client.post("/v1/workloads", json=workload).raise_for_status()


@pytest.mark.parametrize(
    "more", [{}, {"confirm_within": "1h"}, {"ttl": "1h", "fallback": "s0"}], ids=["plain", "confirm", "trial"]
)
@pytest.mark.parametrize("query", ["", "?dry_run=0"], ids=["shortcut", "framework"])
def test_each_of_twenty_at_once_is_answered_and_the_last_is_worn(
    shared: Manager, more: dict[str, Any], query: str
) -> None:
    path = f"/v1/workloads/one/persona{query}"

    def put(number: int) -> httpx2.Response:
        with shared.unix() as client:
            return client.put(path, json={"persona_id": f"s{number}", **more})

    with shared.unix() as client:
        client.delete("/v1/workloads/one/persona").raise_for_status()
        with ThreadPoolExecutor(AT_ONCE) as threads:
            answers = list(threads.map(put, range(AT_ONCE)))
        assert {answer.status_code for answer in answers} <= {200, 409}
        done = [answer.json() for answer in answers if answer.status_code == 200]
        assert all("try again" in answer.text for answer in answers if answer.status_code == 409)
        sequences = [workload["sequence"] for workload in done]
        assert len(set(sequences)) == len(done), "one after the other"
        last = max(done, key=lambda workload: int(workload["sequence"]))
        worn = client.get("/v1/workloads/one").json()
        assert (worn["sequence"], worn["assignment"]) == (last["sequence"], last["assignment"])


def test_a_way_back_is_taken_by_the_manager_itself(client: httpx2.Client) -> None:
    client.put("/v1/workloads/back/persona", json={"persona_id": "s1"}).raise_for_status()
    waits = client.put(
        "/v1/workloads/back/persona", json={"persona_id": "s2", "confirm_within": "300ms"}
    ).json()
    assert waits["assignment"]["confirm_by"] == waits["assignment"]["expires_at"]
    with client.stream("GET", "/v1/workloads?watch=1") as lines:
        told = (json.loads(line)["object"] for line in lines.iter_lines() if line)
        next(one for one in told if one.get("workload_id") == "back" and one.get("reverted"))
    after = client.get("/v1/workloads/back").json()
    assert after["assignment"]["persona_id"] == "s1"
    assert after["reverted"]["persona_id"] == "s2"
    late = client.post("/v1/workloads/back/confirm")
    assert (late.status_code, "too late" in late.json()["detail"]) == (409, True)


def test_a_confirmation_keeps_it(client: httpx2.Client) -> None:
    client.put(
        "/v1/workloads/back/persona", json={"persona_id": "s3", "confirm_within": "1h"}
    ).raise_for_status()
    kept = client.post("/v1/workloads/back/confirm").json()["assignment"]
    assert (kept["persona_id"], kept["expires_at"], kept["confirm_by"]) == ("s3", None, None)
    assert client.post("/v1/workloads/back/confirm").status_code == 409


def test_the_persona_of_a_workload_has_a_second_name(client: httpx2.Client) -> None:
    path = "/v1/interfaces/back/persona"
    assert client.put(path, json={"persona_id": "s4"}).json()["assignment"]["persona_id"] == "s4"
    assert client.get(path).json() == client.get("/v1/workloads/back/persona").json()
    assert client.put(path, json={"persona_id": "nobody"}).status_code == 422
    assert client.delete(path).json()["assignment"] is None
    assert client.get(path).status_code == 404
    assert client.get("/v1/interfaces/nobody/persona").status_code == 404
    assert client.post(path).status_code == 405


def test_a_plan_is_asked_with_the_body_of_an_assignment(client: httpx2.Client) -> None:
    plan = client.post("/v1/workloads/back/plan", json={"persona_id": "s5"}).json()
    assert plan["changes"]
    assert (plan["label"], plan["outage_s"]) == ("live", 0.0)
    assert client.get("/v1/workloads/back").json()["assignment"] is None
    assert client.post("/v1/workloads/back/plan", json={"persona_id": "nobody"}).status_code == 422
