"""The two older families of endpoints, in their own spellings."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

SNAKE: dict[str, Any] = {
    "persona_id": "old-snake",
    "qos_priority": 9,
    "security_profile": "restricted",
    "simulated_latency_ms": 100,
    "packet_loss_probability": 0.05,
    "bandwidth_limit_kbps": 1000,
}
CAMEL: dict[str, Any] = {
    "personalityId": "old-camel",
    "latencyMs": 200,
    "jitterMs": 20,
    "packetLossPercentage": 0.1,
    "duplicatePacketPercentage": 0.01,
    "bandwidthKbps": 512,
    "routingProfile": "Static",
    "mtu": 1400,
}


@pytest.fixture(autouse=True)
def _vm(client: httpx2.Client) -> None:
    client.post("/v1/workloads", json={"workload_id": "old-vm", "kind": "vm", "interface": "tap0"})


def test_the_snake_family(client: httpx2.Client) -> None:
    created = client.post("/personas/create", json=SNAKE)
    assert created.status_code == 201
    assert created.json() == {"description": "", **SNAKE}
    assert client.post("/personas/create", json=SNAKE).status_code == 409
    changed = SNAKE | {"simulated_latency_ms": 250}
    assert client.put("/personas/update/old-snake", json=changed).json()["simulated_latency_ms"] == 250
    assert client.get("/personas/get/old-snake").json() == {"description": "", **changed}
    assert client.get("/vms/old-vm/persona").status_code == 404
    worn = {"vm_id": "old-vm", "persona_id": "old-snake", "persona": {"description": "", **changed}}
    assert client.post("/vms/old-vm/persona/old-snake").json() == worn
    assert client.get("/vms/old-vm/persona").json() == worn
    assert client.get("/v1/personas/old-snake").json()["in_use_by"] == ["old-vm"]
    client.put("/personas/update/old-snake", json=SNAKE)
    assert client.get("/vms/old-vm/persona").json()["persona"]["simulated_latency_ms"] == 100
    client.delete("/v1/workloads/old-vm")


def test_the_camel_family(client: httpx2.Client) -> None:
    created = client.post("/v1/personalities", json=CAMEL)
    assert created.status_code == 201
    assert created.json() == {"description": "", **CAMEL}
    changed = {key: value for key, value in CAMEL.items() if key != "personalityId"} | {"latencyMs": 50}
    assert client.put("/v1/personalities/old-camel", json=changed).json()["latencyMs"] == 50
    assigned = client.post("/v1/vms/old-vm/personalities/old-camel")
    assert assigned.status_code == 200
    assert assigned.json()["vmId"] == "old-vm"
    assert assigned.json()["personality"]["latencyMs"] == 50
    assert client.delete("/v1/vms/old-vm/personalities").status_code == 204
    assert client.get("/v1/workloads/old-vm").json()["assignment"] is None
    assert client.get("/v1/personas/old-camel").json()["spec"]["ingress"]["latency"] == "50ms"


def test_a_persona_without_a_name_gets_one(client: httpx2.Client) -> None:
    nameless = {key: value for key, value in CAMEL.items() if key != "personalityId"}
    name = client.post("/v1/personalities", json=nameless).json()["personalityId"]
    assert client.get(f"/personas/get/{name}").json()["simulated_latency_ms"] == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/vms/nope/persona/old-snake"),
        ("POST", "/vms/old-vm/persona/nope"),
        ("GET", "/vms/nope/persona"),
        ("GET", "/personas/get/nope"),
        ("PUT", "/personas/update/nope"),
        ("PUT", "/v1/personalities/nope"),
        ("POST", "/v1/vms/nope/personalities/old-camel"),
        ("POST", "/v1/vms/old-vm/personalities/nope"),
        ("DELETE", "/v1/vms/nope/personalities"),
    ],
)
def test_what_is_not_there_is_404(client: httpx2.Client, method: str, path: str) -> None:
    answer = client.request(method, path, json={"latencyMs": 1} if method == "PUT" else None)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/personas/create", {"simulated_latency_ms": 501}, "/simulated_latency_ms"),
        ("/personas/create", {"packet_loss_probability": 2}, "/packet_loss_probability"),
        ("/v1/personalities", {"latencyMs": 5, "routingProfile": "Chaotic"}, "/routingProfile"),
        ("/v1/personalities", {"packetLossPercentage": 5}, "/packetLossPercentage"),
    ],
)
def test_problems_are_pointed_at_in_the_spelling_that_was_sent(
    client: httpx2.Client, path: str, body: dict[str, Any], pointer: str
) -> None:
    answer = client.post(path, json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
