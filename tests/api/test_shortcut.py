"""The short way of PUT /v1/workloads/{id}/persona answers as the framework's, which a query leads to."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest
from tests.api.conftest import Manager

PATH = "/v1/workloads/short/persona"
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module", autouse=True)
def _there(shared: Manager) -> None:
    with shared.unix() as client:
        client.post("/v1/personas", json={"persona_id": "short", "mtu": 1400}).raise_for_status()
        workload = {"workload_id": "short", "kind": "vm", "interface": "tap0"}
        client.post("/v1/workloads", json=workload).raise_for_status()
        client.put(PATH, json={"persona_id": "short"}).raise_for_status()  # both ways have one before them


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        (PATH, b'{"persona_id": "short"}', JSON),
        (PATH, b'{"persona_id": "nobody"}', JSON),
        (PATH, b'{"persona_id": "short", "odd": 1}', JSON),
        (PATH, b"{", JSON),
        (PATH, b"", JSON),
        (PATH, b'{"persona_id": "short"}', {"Content-Type": "text/csv"}),
        (PATH, b'{"persona_id": "short"}', {**JSON, "If-Match": '"1"'}),
        ("/v1/workloads/nobody/persona", b'{"persona_id": "short"}', JSON),
        ("/v1/workloads/.odd/persona", b'{"persona_id": "short"}', JSON),
        ("/v1/workloads/%00/persona", b'{"persona_id": "short"}', JSON),
    ],
)
def test_both_ways_answer_alike(
    client: httpx2.Client, path: str, body: bytes, headers: dict[str, str]
) -> None:
    short = client.put(path, content=body, headers=headers)
    long = client.put(f"{path}?dry_run=0", content=body, headers=headers)
    assert (short.status_code, short.headers["content-type"]) == (
        long.status_code,
        long.headers["content-type"],
    )
    assert _lasting(short.json()) == _lasting(long.json())


def _lasting(answer: dict[str, Any]) -> dict[str, Any]:
    """Without what every assignment makes anew."""
    assignment = {
        key: value
        for key, value in (answer.get("assignment") or {}).items()
        if key not in ("assigned_at", "sequence")
    }
    kept = {key: value for key, value in answer.items() if key not in ("revision", "sequence", "previous")}
    return kept | {"assignment": assignment}
