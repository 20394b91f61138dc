"""Resources as rows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from tests.unit.cli.conftest import Json

from netpersona.cli import tables

NOON = datetime(2030, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expires_at", "shown"),
    [(None, "-"), ("2030-01-01T12:01:00Z", "in 60s"), ("2030-01-01T11:00:00+00:00", "in 0s")],
)
def test_an_expiry_is_shown_as_what_is_left(expires_at: str | None, shown: str) -> None:
    assert tables.expiry_of({"expires_at": expires_at}, NOON) == shown


@pytest.mark.parametrize(
    ("moment", "shown"), [("2030-01-01T11:59:57.6Z", "2s ago"), ("2030-01-01T12:00:01Z", "0s ago")]
)
def test_a_moment_is_shown_as_its_age(moment: str, shown: str) -> None:
    assert tables.age_of(moment, NOON) == shown


@pytest.mark.parametrize(
    ("sequence", "status", "shown"),
    [
        (0, None, "unseen"),
        (7, {"phase": "attached", "applied_sequence": 7}, "attached"),
        (8, {"phase": "attached", "applied_sequence": 7}, "attached (pending)"),
        (7, {"phase": "refused", "message": "no", "applied_sequence": 5}, "refused"),
    ],
)
def test_a_phase_says_what_the_agent_says_and_whether_it_is_behind(
    sequence: int, status: Json | None, shown: str
) -> None:
    assert tables.phase_of({"sequence": sequence, "status": status}) == shown


@pytest.mark.parametrize(
    ("assignment", "shown"),
    [
        (None, "-"),
        ({"persona_id": "a", "persona_revision": 3}, "a@3"),
        ({"persona_id": "a", "persona_revision": 0}, "a (preset)"),
    ],
)
def test_a_persona_is_shown_with_its_revision(assignment: Json | None, shown: str) -> None:
    assert tables.persona_of(assignment) == shown


@pytest.mark.parametrize(
    ("spec", "shown"),
    [({"netns": "web", "interface": "eth0"}, "web/eth0"), ({"netns": None, "interface": "tap0"}, "tap0")],
)
def test_an_attachment_is_shown_with_its_namespace(spec: Json, shown: str) -> None:
    assert tables.place_of(spec) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-1, "0s"), (119, "119s"), (120, "2min"), (7199, "119min"), (7200, "2h"), (172_800, "2d")],
)
def test_a_span_is_shown_in_its_largest_useful_unit(seconds: float, shown: str) -> None:
    assert tables.span(seconds) == shown


def test_a_moment_is_shown_to_the_second_with_its_age() -> None:
    assert tables.moment_of("2030-01-01T12:59:57.6+01:00", NOON) == "2030-01-01 11:59:57 UTC, 2s ago"


def test_troubles_are_messages_and_warnings_with_their_workload() -> None:
    refused = {"phase": "refused", "message": "no", "applied_sequence": 0}
    warned = {"phase": "attached", "message": "", "applied_sequence": 0, "warnings": ["the queue is short"]}
    workloads = [
        {"workload_id": name, "sequence": 0, "status": status}
        for name, status in (("a", refused), ("b", warned), ("c", None))
    ]
    assert tables.troubles(workloads) == ["a is refused: no", "b: the queue is short"]


def test_a_host_is_one_row() -> None:
    host = {
        "host": "local",
        "version": "1",
        "engine": {"alive": True},
        "workloads": [],
        "seen_at": "2030-01-01T00:00:00Z",
    }
    view = tables.view_of("hosts", [host])
    assert view.rows[0][:4] == ("local", "1", "alive", "-")
