"""watch: one line for each change."""

from __future__ import annotations

import json

import httpx2
import pytest
from tests.unit.cli.conftest import FakeManager, Json, Run, problem

REFUSED = problem(403, "no more of it")
"""What ends a watch; it would go on after a gap."""


@pytest.fixture
def events(manager: FakeManager) -> list[Json]:
    """What the manager streams before it ends the watch."""
    web = manager.add_workload("web")
    stream = [
        {"type": "ADDED", "revision": 4, "object": web},
        {"type": "BOOKMARK", "revision": 4, "object": {}},
        {
            "type": "VERIFY",
            "revision": 5,
            "object": {"workload_id": "web", "verification_id": "v1", "state": "done"},
        },
        {"type": "DELETED", "revision": 6, "object": {"workload_id": "web"}},
    ]
    body = "".join(f"{json.dumps(event)}\n" for event in stream)
    manager.answers["GET", "/v1/workloads"] = [httpx2.Response(200, text=body), REFUSED]
    return stream


@pytest.mark.usefixtures("events")
def test_each_change_is_a_line_and_bookmarks_are_none(run: Run, manager: FakeManager) -> None:
    ran = run("watch")
    assert ran.out.splitlines() == [
        "ADDED     workload/web  web/eth0  -  attached",
        "VERIFY    workload/web  v1 done",
        "DELETED   workload/web",
    ]
    assert manager.asked[0].url.params["watch"] == "1"


@pytest.mark.usefixtures("events")
def test_a_watch_that_breaks_off_says_so_and_goes_on_where_it_was(run: Run, manager: FakeManager) -> None:
    ran = run("watch")
    assert ran.code == 1
    assert ran.err.splitlines() == [
        "warning: the manager ended the watch; this goes on once the manager answers",
        "error: no more of it",
    ]
    assert manager.asked[1].url.params["revision"] == "6"


def test_json_is_one_event_a_line(run: Run, events: list[Json]) -> None:
    ran = run("watch", "workloads", "-o", "json")
    assert [json.loads(line) for line in ran.out.splitlines()] == [
        e for e in events if e["type"] != "BOOKMARK"
    ]


@pytest.mark.usefixtures("events")
def test_names_are_those_of_what_changed(run: Run) -> None:
    assert run("watch", "-o", "name").out.splitlines() == ["workload/web"] * 3


@pytest.mark.usefixtures("events")
def test_yaml_is_a_document_for_each_event(run: Run) -> None:
    assert run("watch", "-o", "yaml").out.count("---\n") == 3


def test_personas_show_their_revision(run: Run, manager: FakeManager) -> None:
    manager.add_persona(persona_id="a")
    event = {"type": "MODIFIED", "revision": 3, "object": manager.personas["a"]}
    manager.answers["GET", "/v1/personas"] = [httpx2.Response(200, text=json.dumps(event) + "\n"), REFUSED]
    assert run("watch", "personas").out == "MODIFIED  persona/a  revision 3\n"


def test_a_refused_watch_says_why(run: Run, manager: FakeManager) -> None:
    manager.answers["GET", "/v1/workloads"] = httpx2.Response(410, json={"detail": "too old"})
    assert run("watch").err == "error: too old\n"


def test_hosts_cannot_be_watched(run: Run) -> None:
    assert run("watch", "hosts").code == 2
