"""A state of the release before, opened by this one. The records are what commit f673cea wrote."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from netpersona.control import Service
from netpersona.control.models import NewWorkload
from netpersona.control.store import migration
from netpersona.control.store.protocol import Compacted
from netpersona.control.store.sqlite import FORMAT_VERSION, SqliteStore, StoreUnusable
from netpersona.kinds.workload import AssignmentRequest

NOW = "2030-01-01T00:00:00.000000Z"
FAST: Any = {"persona_id": "slow", "ingress": {"latency": "50ms"}}
SLOW: Any = {"persona_id": "slow", "ingress": {"latency": "60ms"}}
STARLINK: Any = {"persona_id": "starlink", "ingress": {"latency": "27ms", "loss": "0.13%"}}
BARE: Any = {"host": "local", "netns": None, "facing": "auto", "allow_management": False}


def worn(persona: Any, revision: int, *, follows: bool) -> dict[str, Any]:
    name = persona["persona_id"]
    return {"persona_id": name, "persona_revision": revision, "persona": persona, "follows": follows}


def assignment(persona: dict[str, Any], sequence: int, **more: Any) -> dict[str, Any]:
    times = {"assigned_at": NOW, "expires_at": None, "fallback": None, "sequence": sequence}
    return {**persona, **times, **more}


def verification(state: str, finished_at: str | None, probes: int) -> dict[str, Any]:
    asked = {"probes": probes, "interval": "10ms", "requested_at": NOW}
    return {"state": state, **asked, "finished_at": finished_at, "message": "", "rows": []}


TRIAL = {"expires_at": "2030-01-01T01:00:00.000000Z", "fallback": worn(SLOW, 4, follows=True)}
RECORDS: list[tuple[str, str, int, dict[str, Any]]] = [
    ("personas", "slow", 4, {"spec": SLOW, "created_at": NOW, "updated_at": NOW}),
    ("persona_revisions", "slow@00000000000000000001", 5, {"spec": FAST}),
    (
        "workloads",
        "follower",
        6,
        {
            "spec": {**BARE, "kind": "vm", "interface": "tap0"},
            "sequence": 4,
            "assignment": assignment(worn(SLOW, 4, follows=True), 4),
            "previous": worn(FAST, 1, follows=True),
        },
    ),
    (
        "workloads",
        "pinned",
        8,
        {
            "spec": {**BARE, "kind": "netns", "host": "far", "netns": "blue", "interface": "eth0"},
            "sequence": 8,
            "assignment": assignment(worn(FAST, 1, follows=False), 8),
            "previous": None,
        },
    ),
    (
        "workloads",
        "trial",
        11,
        {
            "spec": {**BARE, "kind": "vm", "interface": "tap9"},
            "sequence": 11,
            "assignment": assignment(worn(STARLINK, 0, follows=False), 11, **TRIAL),
            "previous": worn(SLOW, 4, follows=True),
        },
    ),
    (
        "workloads",
        "released",
        14,
        {
            "spec": {**BARE, "kind": "vm", "interface": "tap1"},
            "sequence": 14,
            "assignment": None,
            "previous": worn(SLOW, 4, follows=True),
        },
    ),
    ("verifications", "follower/v000000000015", 16, verification("done", NOW, 50)),
    ("verifications", "pinned/v000000000017", 17, verification("pending", None, 20)),
]
SCHEMA = """
CREATE TABLE records (
    kind TEXT NOT NULL, key TEXT NOT NULL, revision INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (kind, key)
);
CREATE TABLE events (
    revision INTEGER PRIMARY KEY,
    type TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL
);
PRAGMA user_version = 1;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return old_state(tmp_path / "netpersona.db", RECORDS)


def old_state(path: Path, records: list[tuple[str, str, int, dict[str, Any]]]) -> Path:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(SCHEMA)
        for kind, key, revision, value in records:
            text = json.dumps(value)
            connection.execute("INSERT INTO records VALUES (?, ?, ?, ?)", (kind, key, revision, text))
            row = (revision, "ADDED", kind, key, text)
            connection.execute("INSERT INTO events VALUES (?, ?, ?, ?, ?)", row)
    return path


@contextmanager
def opened(path: Path) -> Iterator[Service]:
    service = Service(SqliteStore(path), lambda: datetime(2030, 1, 1, tzinfo=UTC))
    try:
        yield service
    finally:
        service.close()


def shown(service: Service, name: str) -> dict[str, Any]:
    return service.workloads.kind.dump(service.workloads.get(name))


def test_what_was_worn_is_worn_and_nothing_seems_new_to_an_agent(path: Path) -> None:
    with opened(path) as service:
        old = {key: value for kind, key, _, value in RECORDS if kind == "workloads"}
        for name, value in old.items():
            now = shown(service, name)
            assert now["sequence"] == value["sequence"]
            for key in ("persona_id", "persona_revision", "persona", "expires_at", "follows"):
                assert (now["assignment"] or {}).get(key) == (value["assignment"] or {}).get(key)
            assert (now["previous"] or {}).get("persona") == (value["previous"] or {}).get("persona")
        assert shown(service, "trial")["assignment"]["fallback"]["persona"] == SLOW
        assert service.workloads.get("pinned").spec.netns == "blue"


def test_names_and_revisions_stay(path: Path) -> None:
    with opened(path) as service:
        assert {r.name: r.revision for r in service.workloads.list()} == {
            "follower": 6,
            "pinned": 8,
            "released": 14,
            "trial": 11,
        }
        assert service.personas.get("slow").state.in_use_by == ("follower", "pinned", "trial")
        assert service.personas.revision("slow", 1) == FAST
        assert [r.key for r in service.verifications.open()] == ["pinned/v000000000017"]
        done = service.verifications.resource(service.verifications.record("follower", "v000000000015"))
        assert (done.state.state, done.spec.probes, done.spec.at_most) == ("done", 50, "60s")
        assert service.store.revision > 17
        with pytest.raises(Compacted):
            service.store.history("workloads", 8)


def test_life_goes_on(path: Path) -> None:
    async def story(service: Service) -> None:
        await service.assignments.assign("pinned", AssignmentRequest(persona_id="slow"))
        assert shown(service, "pinned")["sequence"] > 8
        await service.assignments.rollback("follower")
        assert shown(service, "follower")["assignment"]["persona"] == FAST
        await service.assignments.rollback("released")
        assert shown(service, "released")["assignment"]["persona"] == SLOW
        for name in ("follower", "pinned", "trial", "released"):
            await service.workloads.delete(name)
        await service.personas.delete("slow")
        assert await service.contents.collect() > 0
        assert [service.store.list(kind) for kind in ("documents", "references", "archive")] == [[], [], []]

    with opened(path) as service:
        asyncio.run(story(service))
    with opened(path) as again:
        assert again.workloads.list() == []


@pytest.mark.parametrize("rows", range(0, 12, 3))
def test_killed_in_the_middle_it_begins_anew(path: Path, rows: int) -> None:
    child = os.fork()
    if child == 0:
        _die_after(rows)
        SqliteStore(path)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert _version(path) == 1
    with opened(path) as service:
        assert shown(service, "follower")["assignment"]["persona"] == SLOW
    assert _version(path) == FORMAT_VERSION


def _die_after(rows: int) -> None:
    whole = migration._Migration.rows

    def some(self: Any) -> Iterator[Any]:
        for number, row in enumerate(whole(self)):
            if number == rows:
                os._exit(9)
            yield row

    migration._Migration.rows = some  # type: ignore[method-assign]


def _version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        return int(version)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("workloads", {"spec": {"kind": "vm"}, "sequence": 1, "assignment": None, "previous": None}),
        ("workloads", {"sequence": 1}),
        ("workloads", {"spec": BARE, "sequence": "x", "assignment": 7, "previous": None}),
        ("personas", {"created_at": NOW}),
        ("personas", []),
        ("verifications", {"state": "lost"}),
    ],
)
def test_what_cannot_be_read_is_named_and_left_as_it_is(tmp_path: Path, kind: str, value: Any) -> None:
    path = old_state(tmp_path / "netpersona.db", [*RECORDS, (kind, "odd", 20, value)])
    with pytest.raises(StoreUnusable, match=r"is damaged .*odd.*put a backup in its place"):
        SqliteStore(path)
    assert _version(path) == 1


def test_references_are_no_longer_kept(tmp_path: Path) -> None:
    path = tmp_path / "netpersona.db"
    with opened(path) as service:
        asyncio.run(_dressed(service))
        keys = [record.key for record in service.store.list("references")]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA user_version = 2")
        connection.execute(
            "INSERT INTO records VALUES ('references', 'personas/gone/workloads/w', 9000, '{}')"
        )
    with opened(path) as service:
        assert [record.key for record in service.store.list("references")] == keys
        assert service.store.revision > 9000
    assert _version(path) == FORMAT_VERSION


async def _dressed(service: Service) -> None:
    await service.personas.create({"persona_id": "slow"})
    await service.assignments.create(NewWorkload(workload_id="w", kind="vm", interface="tap0"))
    await service.assignments.assign("w", AssignmentRequest(persona_id="slow"))


def test_a_new_file_needs_none(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "new.db").close()
    assert _version(tmp_path / "new.db") == FORMAT_VERSION
