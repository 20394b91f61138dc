"""The life of personas, workloads and assignments over HTTP."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any

import httpx2
import pytest

VM: dict[str, Any] = {"kind": "vm", "interface": "tap0"}


def test_a_persona_lives_and_dies(client: httpx2.Client) -> None:
    created = client.post("/v1/personas", json={"persona_id": "life", "mtu": 1400})
    assert created.status_code == 201
    assert created.headers["etag"] == f'"{created.json()["revision"]}"'
    read = client.get("/v1/personas/life")
    assert read.json() == created.json()
    assert read.headers["etag"] == created.headers["etag"]
    replaced = client.put(
        "/v1/personas/life", json={"mtu": 1300}, headers={"If-Match": created.headers["etag"]}
    )
    assert replaced.status_code == 200
    assert replaced.json()["spec"] == {"persona_id": "life", "mtu": 1300}
    assert client.delete("/v1/personas/life").status_code == 204
    assert client.get("/v1/personas/life").status_code == 404


def test_yaml_is_read_too(client: httpx2.Client) -> None:
    headers = {"Content-Type": "application/yaml"}
    text = "persona_id: from-yaml\ningress: {latency: 10ms}  # comment\n"
    assert client.post("/v1/personas", content=text, headers=headers).status_code == 201
    bad = client.post("/v1/personas", content="persona_id: [\n", headers=headers)
    assert bad.status_code == 422
    assert "line" in bad.json()["errors"][0]["detail"]
    two = client.post("/v1/personas", content="persona_id: a\n---\npersona_id: b\n", headers=headers)
    assert two.status_code == 422


def test_conditions_are_kept(client: httpx2.Client) -> None:
    path, body = "/v1/personas/conditional", {"mtu": 1400}
    assert client.put(path, json=body, headers={"If-Match": '"1"'}).status_code == 412
    assert client.put(path, json=body, headers={"If-None-Match": "*"}).status_code == 201
    assert client.put(path, json=body, headers={"If-None-Match": "*"}).status_code == 412
    assert client.put(path, json=body).status_code == 428
    assert client.put(path, json=body, headers={"If-Match": '"0"'}).status_code == 412
    assert client.put(path, json=body, headers={"If-Match": "*"}).status_code == 200
    assert client.delete(path, headers={"If-Match": '"0"'}).status_code == 412


def test_an_assignment_round(client: httpx2.Client) -> None:
    client.post("/v1/personas", json={"persona_id": "round", "ingress": {"latency": "10ms"}})
    assert client.post("/v1/workloads", json={"workload_id": "round", **VM}).status_code == 201
    path = "/v1/workloads/round/persona"
    assert client.get(path).status_code == 404
    assigned = client.put(path, json={"persona_id": "round"})
    assert assigned.status_code == 200
    assert client.get(path).json() == assigned.json()["assignment"]
    assert client.get(path).headers["etag"] == assigned.headers["etag"]
    assert re.fullmatch(r"parse;dur=[\d.]+, commit;dur=[\d.]+", assigned.headers["server-timing"])
    assert client.put(path, json={"persona_id": "round"}, headers={"If-Match": '"1"'}).status_code == 412
    in_use = client.delete("/v1/personas/round")
    assert in_use.status_code == 409
    assert "round" in in_use.json()["detail"]
    assert client.delete(path).json()["assignment"] is None
    assert client.post("/v1/workloads/round/rollback").json()["assignment"]["persona_id"] == "round"
    assert client.delete("/v1/workloads/round").status_code == 204
    assert client.delete("/v1/personas/round").status_code == 204


def test_waiting_for_the_agent_and_its_status(client: httpx2.Client) -> None:
    client.post("/v1/personas", json={"persona_id": "waited"})
    client.post("/v1/workloads", json={"workload_id": "waited", **VM})
    path = "/v1/workloads/waited"
    assert client.get(f"{path}/status").status_code == 404
    assert client.get(f"{path}/counters").json()["counters"] is None
    assert client.delete(f"{path}/persona?wait=1ms").status_code == 202
    late = client.put(f"{path}/persona?wait=1ms", json={"persona_id": "waited"})
    assert late.status_code == 202
    report = {
        "phase": "attached",
        "applied_sequence": late.json()["sequence"] + 1000,
        "counters": {"egress": {"passed": 7}},
    }
    assert client.put(f"{path}/status", json=report).status_code == 200
    assert client.put(f"{path}/persona?wait=9s", json={"persona_id": "waited"}).status_code == 200
    assert client.get(f"{path}/counters").json()["counters"] == {"egress": {"passed": 7}}
    assert client.get(path).json()["status"]["applied_sequence"] == report["applied_sequence"]


def test_an_agent_reports_many_workloads_at_once(client: httpx2.Client) -> None:
    for name in ("many-1", "many-2"):
        client.post("/v1/workloads", json={"workload_id": name, **VM})
    statuses = {name: {"phase": "missing", "message": name} for name in ("many-1", "many-2", "gone")}
    taken = client.put("/v1/hosts/h/statuses", json={"statuses": statuses})
    assert taken.json() == {"unknown": ["gone"]}
    for name in ("many-1", "many-2"):
        assert client.get(f"/v1/workloads/{name}/status").json()["message"] == name
    statuses["many-1"]["phase"] = "lost"
    refused = client.put("/v1/hosts/h/statuses", json={"statuses": statuses})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "/statuses/many-1/phase"


def test_a_time_to_live_passes(client: httpx2.Client) -> None:
    client.post("/v1/personas", json={"persona_id": "brief"})
    client.post("/v1/workloads", json={"workload_id": "brief", **VM})
    at = client.get("/v1/workloads").json()["revision"]
    client.put("/v1/workloads/brief/persona", json={"persona_id": "brief", "ttl": "50ms"})
    with client.stream("GET", "/v1/workloads", params={"watch": 1, "revision": at}) as stream:
        events = list(islice(stream.iter_lines(), 2))
    assert '"expires_at":"2' in events[0]
    assert '"assignment":null' in events[1]


def test_verifications_go_to_the_agent_and_back(client: httpx2.Client) -> None:
    client.post("/v1/workloads", json={"workload_id": "verified", **VM})
    asked = client.post("/v1/workloads/verified/verifications", json={"probes": 100})
    assert asked.status_code == 202
    path = asked.headers["location"]
    assert client.get(path).json()["state"] == "pending"
    row = {
        "direction": "ingress",
        "quantity": "latency",
        "requested": 0.01,
        "achieved": 0.0101,
        "low": 0.01,
        "high": 0.0102,
        "unit": "s",
        "verdict": "yes",
        "holds": True,
    }
    assert client.put(path, json={"state": "running", "takes_s": 2.5}).json()["takes_s"] == 2.5
    assert client.put(path, json={"state": "done", "message": "", "rows": [row]}).status_code == 200
    assert client.get(path).json()["rows"] == [row]
    assert client.put(path, json={"state": "failed"}).status_code == 409


def test_a_verification_is_cancelled_by_deleting_it(client: httpx2.Client) -> None:
    client.post("/v1/workloads", json={"workload_id": "cancelled", **VM})
    revision = client.get("/v1/workloads").json()["revision"]
    path = client.post("/v1/workloads/cancelled/verifications", json={}).headers["location"]
    assert client.delete(path).json()["state"] == "cancelled"
    assert client.delete(path).json()["state"] == "cancelled"
    with client.stream("GET", "/v1/workloads", params={"watch": 1, "revision": revision}) as stream:
        events = list(islice(stream.iter_lines(), 2))
    assert [json.loads(line)["object"]["state"] for line in events] == ["pending", "cancelled"]
    assert client.put(path, json={"state": "done"}).status_code == 409


def test_hosts_report(client: httpx2.Client) -> None:
    client.post("/v1/workloads", json={"workload_id": "on-h1", "host": "h1", **VM})
    assert client.put("/v1/hosts/h1", json={"version": "1", "capabilities": {"tcx": True}}).status_code == 200
    host = client.get("/v1/hosts/h1").json()
    assert host["workloads"] == ["on-h1"]
    assert host["capabilities"] == {"tcx": True}
    assert "h1" in [item["host"] for item in client.get("/v1/hosts").json()["items"]]
    assert client.put("/v1/hosts/-", json={}).status_code == 422


def test_presets_are_read_and_assigned(client: httpx2.Client) -> None:
    items = client.get("/v1/presets").json()["items"]
    assert len(items) >= 40
    name = items[0]["persona_id"]
    assert client.get(f"/v1/presets/{name}").json() == items[0]
    client.post("/v1/workloads", json={"workload_id": "preset", **VM})
    assigned = client.put("/v1/workloads/preset/persona", json={"persona_id": name}).json()
    assert assigned["assignment"]["persona"] == items[0]["spec"]


def test_pages_hold_every_item_once(client: httpx2.Client) -> None:
    names = [f"page-{number:02}" for number in range(7)]
    for name in names:
        client.post("/v1/workloads", json={"workload_id": name, **VM})
    found, cursor = [], None
    while True:
        page = client.get(
            "/v1/workloads", params={"limit": 3} | ({"continue": cursor} if cursor else {})
        ).json()
        assert len(page["items"]) <= 3
        found += [item["workload_id"] for item in page["items"]]
        cursor = page["continue"]
        if cursor is None:
            break
    assert len(found) == len(set(found))
    assert set(names) <= set(found)


@pytest.mark.parametrize("cursor", ["!", "x", "é", "////", "gICA"])
def test_a_foreign_cursor_is_refused(client: httpx2.Client, cursor: str) -> None:
    answer = client.get("/v1/personas", params={"continue": cursor})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["in"] == "query"


def test_dry_runs_answer_plans(client: httpx2.Client) -> None:
    before = client.get("/v1/personas").json()["revision"]
    plan = client.post("/v1/personas?dry_run=1", json={"persona_id": "dry", "mtu": 1400})
    assert plan.status_code == 200
    assert {"pointer": "/mtu", "before": None, "after": 1400, "label": "live"} in plan.json()["changes"]
    assert client.post("/v1/workloads?dry_run=1", json={"workload_id": "dry", **VM}).json()["dry_run"] is True
    assert client.get("/v1/personas/dry").status_code == 404
    assert client.get("/v1/personas").json()["revision"] == before


def test_health_and_metrics(client: httpx2.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").status_code == 200
    metrics = client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "netpersona_store_revision" in metrics.text


def test_a_revision_is_read_as_long_as_it_is_kept(client: httpx2.Client) -> None:
    first = client.post("/v1/personas", json={"persona_id": "revised", "mtu": 1400}).json()["revision"]
    body = {"persona_id": "revised", "mtu": 1300}
    second = client.put("/v1/personas/revised", json=body, headers={"If-Match": "*"}).json()["revision"]
    for revision, mtu in ((first, 1400), (second, 1300)):
        found = client.get(f"/v1/personas/revised/revisions/{revision}")
        assert (found.status_code, found.json()["revision"], found.json()["spec"]["mtu"]) == (
            200,
            revision,
            mtu,
        )
    gone = client.get(f"/v1/personas/revised/revisions/{second + 1}")
    assert (gone.status_code, gone.json()["errors"][0]["remedy"]) == (404, f"{second} is the newest")
    for odd in ("0", "-1", "x", "9" * 30):
        assert client.get(f"/v1/personas/revised/revisions/{odd}").status_code == 422
    assert client.get("/v1/personas/nobody/revisions/1").status_code == 404
