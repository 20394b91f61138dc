"""The committed OpenAPI file, and what a generator of requests makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import checks
from schemathesis.specs.openapi.checks import (
    allow_header_conformance,
    content_type_conformance,
    ignored_auth,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

COMMITTED = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
EXAMPLES = 5

CHECKS = [
    checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    allow_header_conformance,
    unsupported_method,
    ignored_auth,
]


def test_the_committed_file_is_the_live_one(client: Any) -> None:
    live = client.get("/openapi.json").json()
    assert json.loads(COMMITTED.read_text()) == live, (
        "python -m netpersona.control.write_openapi FILE writes it"
    )


@pytest.fixture(scope="module")
def target(start: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A manager with a few things in it that generated requests may hit."""
    with start(tmp_path_factory.mktemp("target")) as running, running.unix() as client:
        client.post("/v1/personas", json={"persona_id": "0"})
        client.post("/v1/workloads", json={"workload_id": "0", "kind": "vm", "interface": "tap0"})
        client.put("/v1/workloads/0/persona", json={"persona_id": "0"})
        yield running
        assert "level=error" not in (running.state / "log").read_text()


schema = schemathesis.openapi.from_path(COMMITTED)


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
def test_no_request_meets_a_5xx_or_an_undocumented_answer(case: Any, target: Any) -> None:
    if isinstance(case.query, dict):
        case.query.pop("watch", None)  # a watch does not end
    base_url = f"http://127.0.0.1:{target.port}"
    headers = {"Authorization": f"Bearer {target.token}"}
    case.call_and_validate(base_url=base_url, headers=headers, checks=CHECKS, timeout=10)
