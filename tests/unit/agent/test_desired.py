import json
from datetime import UTC, datetime
from typing import Any

import pytest

from netpersona.agent.desired import DocumentError, parse_workload


def document(**changes: Any) -> dict[str, Any]:
    spec = {"kind": "netns", "host": "h", "netns": "ag-a", "interface": "eth0", "facing": "auto"}
    assignment = {
        "persona_id": "slow",
        "persona_revision": 7,
        "persona": {"mtu": 1400, "egress": {"latency": "10ms"}},
        "expires_at": "2026-01-01T00:01:00Z",
        "fallback": {"persona_id": "fast", "persona_revision": 2, "persona": {}},
    }
    return {
        "workload_id": "web",
        "revision": 3,
        "sequence": 12,
        "spec": spec,
        "assignment": assignment,
        **changes,
    }


def test_reads_an_assignment_with_expiry_and_fallback() -> None:
    assignment = parse_workload(document()).assignment
    assert assignment is not None
    assert assignment.expires_at == datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    assert assignment.fallback is not None
    assert assignment.fallback.persona_id == "fast"


def test_the_order_of_keys_does_not_make_another_persona() -> None:
    turned = document()
    turned["assignment"]["persona"] = {"egress": {"latency": "10ms"}, "mtu": 1400}
    one, other = parse_workload(document()).assignment, parse_workload(turned).assignment
    assert one is not None
    assert other is not None
    assert one.persona == other.persona


@pytest.mark.parametrize("probe", [None, "ping:10.0.0.1"])
def test_what_the_journal_keeps_reads_back_equal(probe: str | None) -> None:
    workload = parse_workload(document(assignment={**document()["assignment"], "probe": probe}))
    assert workload.assignment is not None
    assert workload.assignment.probe == probe
    assert parse_workload(json.loads(workload.document)) == workload


def test_a_release_has_a_sequence_too() -> None:
    assert parse_workload(document(assignment=None)).sequence == 12


def test_a_damaged_document_is_named() -> None:
    with pytest.raises(DocumentError, match=r"web.*interface"):
        parse_workload(document(spec={"kind": "netns", "host": "h"}))


def test_a_time_without_an_offset_is_refused() -> None:
    damaged = document()
    damaged["assignment"]["expires_at"] = "2026-01-01T00:01:00"
    with pytest.raises(DocumentError, match="no UTC offset"):
        parse_workload(damaged)
