from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from netpersona.kinds.workload import WORKLOAD, Workload

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
SPEC = {"kind": "netns", "netns": "web", "interface": "eth0"}
SLOW = {"persona_id": "slow", "persona_revision": 3, "persona": {"persona_id": "slow"}}
WORN: dict[str, Any] = {
    **SLOW,
    "follows": True,
    "assigned_at": "2030-01-01T11:00:00Z",
    "expires_at": "2030-01-01T12:01:00Z",
    "fallback": {**SLOW, "persona_id": "satellite", "persona_revision": 0},
    "sequence": 5,
}
ATTACHED: dict[str, Any] = {"phase": "attached", "applied_sequence": 5, "warnings": ["no queue"]}


def workload(**state: Any) -> Workload:
    return WORKLOAD.load({"workload_id": "web", "revision": 4, "spec": SPEC, "sequence": 5, **state})


def cells(found: Workload) -> list[str]:
    return [column.cell(found, NOW) for column in WORKLOAD.columns]


def test_a_row_says_what_is_worn_and_how_long() -> None:
    assert cells(workload(assignment=WORN, status=ATTACHED)) == [
        "web",
        "netns",
        "web/eth0",
        "slow@3",
        "in 60s",
        "attached",
    ]
    assert cells(workload(status={"phase": "attached"}))[3:] == ["-", "-", "attached (pending)"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (None, "unseen"),
        ({"phase": "missing", "message": "no eth0"}, "missing: no eth0"),
        (ATTACHED, "attached"),
    ],
)
def test_a_phase_says_why(status: Any, said: str) -> None:
    assert workload(status=status).state.said == said


def test_troubles_are_what_keeps_it_from_being_attached_and_warnings() -> None:
    assert WORKLOAD.troubles(workload(status=ATTACHED)) == ["web: no queue"]
    assert WORKLOAD.troubles(workload(status={"phase": "missing", "message": "no eth0"})) == [
        "web is missing: no eth0"
    ]


def test_describe_tells_the_whole_story() -> None:
    first, seen, packets = WORKLOAD.describe(workload(assignment=WORN, previous=SLOW, status=ATTACHED), NOW)
    fields = dict(first.fields)
    assert fields["expires"] == "in 60s, then satellite (preset)"
    assert fields["before"].startswith("slow@3 ")
    assert dict(seen.fields)["warning"] == "no queue"
    assert packets.table[0] == ("packets", "egress", "ingress")


def test_a_watch_line_holds_place_persona_and_phase() -> None:
    assert WORKLOAD.summary(workload(assignment=WORN), NOW) == "web/eth0  slow@3 expires in 60s  unseen"
