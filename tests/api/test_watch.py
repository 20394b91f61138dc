from __future__ import annotations

import json
from itertools import islice
from typing import Any

import httpx2
import pytest

VM: dict[str, Any] = {"kind": "vm", "interface": "tap0"}


def test_a_watch_begins_with_what_is_there(client: httpx2.Client) -> None:
    client.post("/v1/workloads", json={"workload_id": "w-there", **VM})
    with client.stream("GET", "/v1/workloads?watch=1") as stream:
        assert stream.headers["content-type"] == "application/x-ndjson"
        events = []
        for line in stream.iter_lines():
            events.append(json.loads(line))
            if events[-1]["type"] == "BOOKMARK":
                break
    assert {event["type"] for event in events[:-1]} == {"ADDED"}
    assert "w-there" in [event["object"]["workload_id"] for event in events[:-1]]
    assert events[-1]["revision"] >= max(event["revision"] for event in events[:-1])


def test_a_watch_resumes_after_a_revision(client: httpx2.Client) -> None:
    at = client.get("/v1/workloads").json()["revision"]
    client.post("/v1/workloads", json={"workload_id": "w-resumed", **VM})
    client.put("/v1/workloads/w-resumed/status", json={"phase": "missing"})
    client.delete("/v1/workloads/w-resumed")
    with client.stream("GET", "/v1/workloads", params={"watch": 1, "revision": at}) as stream:
        events = [json.loads(line) for line in islice(stream.iter_lines(), 2)]
    assert [event["type"] for event in events] == ["ADDED", "DELETED"]
    assert at < events[0]["revision"] < events[1]["revision"]
    assert all(event["object"]["workload_id"] == "w-resumed" for event in events)


def test_a_status_is_an_event_of_its_own(client: httpx2.Client) -> None:
    client.post("/v1/workloads", json={"workload_id": "w-status", **VM})
    at = client.get("/v1/workloads").json()["revision"]
    with client.stream("GET", "/v1/workloads", params={"watch": 1, "revision": at}) as stream:
        client.put("/v1/workloads/w-status/status", json={"phase": "missing"})
        event = json.loads(next(stream.iter_lines()))
    assert (event["type"], event["revision"]) == ("STATUS", at)
    assert event["object"]["status"]["phase"] == "missing"


def test_browsers_get_server_sent_events_and_resume_by_id(client: httpx2.Client) -> None:
    at = client.get("/v1/personas").json()["revision"]
    client.post("/v1/personas", json={"persona_id": "w-sse"})
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(at)}
    with client.stream("GET", "/v1/personas?watch=1", headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = list(islice(stream.iter_lines(), 4))
    assert int(lines[0].removeprefix("id: ")) > at
    assert lines[1] == "event: ADDED"
    assert json.loads(lines[2].removeprefix("data: "))["object"]["persona_id"] == "w-sse"
    assert lines[3] == ""


@pytest.mark.parametrize("collection", ["personas", "workloads"])
def test_a_revision_ahead_of_the_store_is_gone(client: httpx2.Client, collection: str) -> None:
    answer = client.get(f"/v1/{collection}", params={"watch": 1, "revision": 10**9})
    assert answer.status_code == 410
    assert "without revision" in answer.json()["errors"][0]["remedy"]


def test_a_watch_of_a_host_leaves_out_others_and_statuses(client: httpx2.Client) -> None:
    for name, host in (("w-here", "here"), ("w-there2", "there")):
        client.post("/v1/workloads", json={"workload_id": name, "host": host, **VM})
    with client.stream("GET", "/v1/workloads?watch=1&host=here") as stream:
        client.put("/v1/workloads/w-here/status", json={"phase": "missing"})
        client.delete("/v1/workloads/w-there2")
        client.delete("/v1/workloads/w-here")
        events = [json.loads(line) for line in islice(stream.iter_lines(), 3)]
    assert [event["type"] for event in events] == ["ADDED", "BOOKMARK", "DELETED"]
    assert {event["object"].get("workload_id") for event in events} == {"w-here", None}


@pytest.mark.parametrize("query", ["host=here", "watch=1&host=here&revision=1"])
def test_a_host_is_watched_from_what_is_there(client: httpx2.Client, query: str) -> None:
    answer = client.get(f"/v1/workloads?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/host"
