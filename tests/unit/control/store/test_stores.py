"""What every store does, and what SQLite adds."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from netpersona.control.store.fake import FakeStore
from netpersona.control.store.protocol import (
    ABSENT,
    OPERATIONS_BOUND,
    Check,
    CommitConflict,
    CommitTooLarge,
    Compacted,
    Delete,
    Event,
    EventType,
    NotVacant,
    Put,
    Store,
    StoreClosed,
    Vacant,
)
from netpersona.control.store.sqlite import RESTART_GAP, SqliteStore, StoreUnusable

Open = Callable[..., Any]


@pytest.fixture(params=["fake", "sqlite"])
def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    opened: list[Store] = []

    def make(history_bound: int = 100) -> Store:
        if request.param == "fake":
            opened.append(FakeStore(history_bound))
        else:
            opened.append(SqliteStore(tmp_path / "db", history_bound=history_bound))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


def put(key: str, value: int = 0, expected: int | None = None, kind: str = "k") -> Put:
    return Put(kind, key, {"n": value}, expected)


def test_revisions_rise_and_say_nothing_else(new_store: Open) -> None:
    async def story() -> None:
        store = new_store()
        first = await store.commit([put("a", 1), put("b", 2)])
        at = first[0].revision
        (second,) = await store.commit([put("a", 3, expected=at)])
        await store.settled()
        assert 0 < at <= first[1].revision < second.revision == store.revision
        assert [(r.key, r.revision, r.value) for r in store.list("k")] == [
            ("a", second.revision, {"n": 3}),
            ("b", first[1].revision, {"n": 2}),
        ]

    asyncio.run(story())


@pytest.mark.parametrize(
    "relied_on",
    [
        put("a", 9, ABSENT),
        put("a", 9, 7_000),
        put("z", 9, 1),
        Delete("k", "a", 7_000),
        Delete("k", "z", 1),
        Check("k", "a", ABSENT),
        Check("k", "a", 7_000),
        Check("k", "z", 1),
        Vacant("k", "a"),
        Vacant("k", ""),
    ],
)
def test_a_conflict_stores_nothing_of_the_commit(new_store: Open, relied_on: Any) -> None:
    async def story() -> None:
        store = new_store()
        (before,) = await store.commit([put("a", 1)])
        with pytest.raises(CommitConflict):
            await store.commit([put("other"), relied_on])
        assert [r.key for r in store.list("k")] == ["a"]
        assert store.revision == before.revision

    asyncio.run(story())


def test_what_holds_lets_a_commit_through_and_is_no_event(new_store: Open) -> None:
    async def story() -> None:
        store = new_store()
        (a,) = await store.commit([put("a/1", 1)])
        checks = [Check("k", "a/1", a.revision), Check("k", "b", ABSENT), Vacant("k", "a/2"), Vacant("j", "")]
        events = await store.commit([*checks, put("a/2"), Delete("k", "none")])
        assert [event.record.key for event in events] == ["a/2"]

    asyncio.run(story())


def test_a_prefix_is_looked_at_before_the_commit(new_store: Open) -> None:
    """As a cluster does: what the commit itself removes is still there."""

    async def story() -> None:
        store = new_store()
        await store.commit([put("a/1")])
        with pytest.raises(NotVacant, match="a/1"):
            await store.commit([Delete("k", "a/1"), Vacant("k", "a/")])

    asyncio.run(story())


def test_a_commit_is_bounded_checks_included(new_store: Open) -> None:
    async def story() -> None:
        store = new_store()
        most = [put(str(number)) for number in range(OPERATIONS_BOUND - 1)]
        with pytest.raises(CommitTooLarge, match="128 is the bound"):
            await store.commit([*most, Vacant("j", ""), Check("j", "a", ABSENT)])
        assert store.list("k") == []
        await store.commit([*most, Vacant("j", "")])
        assert len(store.list("k")) == OPERATIONS_BOUND - 1

    asyncio.run(story())


def test_lists_may_be_of_a_prefix(new_store: Open) -> None:
    async def story() -> None:
        store = new_store()
        await store.commit([put(key) for key in ("a", "a/1", "a/2", "a/3", "a0", "b/1")])
        assert [r.key for r in store.list("k", prefix="a/")] == ["a/1", "a/2", "a/3"]
        assert [r.key for r in store.list("k", prefix="a/", after="a/1", limit=1)] == ["a/2"]
        assert [r.key for r in store.list("k", prefix="a/", after="b")] == []
        assert [r.key for r in store.list("k", prefix="c")] == []

    asyncio.run(story())


def test_kinds_that_nobody_watches_have_no_history(new_store: Open) -> None:
    async def story() -> None:
        store = new_store()
        events = await store.commit([put("a"), put("r", kind="references")])
        assert [e.record.key for e in store.history("k", 0)] == ["a"]
        assert store.history("references", 0) == []
        assert store.revision >= events[-1].revision

    asyncio.run(story())


def test_lists_go_on_after_a_key(new_store: Open) -> None:
    async def story() -> None:
        store = new_store()
        await store.commit([put(key) for key in ("c", "a", "d", "b")])
        await store.commit([Delete("k", "c")])
        assert [r.key for r in store.list("k", after="a", limit=2)] == ["b", "d"]
        assert [r.key for r in store.list("k", after="aa", limit=1)] == ["b"]
        assert store.list("nothing") == []

    asyncio.run(story())


def test_history_tells_what_listeners_heard(new_store: Open) -> None:
    async def story() -> None:
        store = new_store()
        heard: list[Event] = []
        store.listen(heard.append)
        await store.commit([put("a", 1)])
        await store.commit([put("a", 2), put("x", kind="other")])
        await store.commit([Delete("k", "a")])
        assert store.history("k", 0) == [event for event in heard if event.record.kind == "k"]
        assert [e.type for e in store.history("k", 1)] == [EventType.MODIFIED, EventType.DELETED]
        assert store.history("k", store.revision) == []

    asyncio.run(story())


def test_history_is_bounded_and_says_so(new_store: Open) -> None:
    async def story() -> None:
        store = new_store(history_bound=32)
        for number in range(100):
            await store.commit([put("a", number)])
        with pytest.raises(Compacted, match="list again"):
            store.history("k", 10)
        with pytest.raises(Compacted):
            store.history("k", store.revision + 1)
        oldest = next(n for n in range(store.revision) if _held(store, n))
        assert len(store.history("k", oldest)) in range(32, 36)

    asyncio.run(story())


def _held(store: Any, revision: int) -> bool:
    try:
        store.history("k", revision)
    except Compacted:
        return False
    return True


def test_a_closed_store_refuses(new_store: Open) -> None:
    async def story() -> None:
        store = new_store()
        store.close()
        with pytest.raises(StoreClosed):
            await store.commit([put("a")])

    asyncio.run(story())


def test_sqlite_keeps_what_was_committed_and_never_gives_a_revision_twice(tmp_path: Path) -> None:
    async def first() -> None:
        store = SqliteStore(tmp_path / "db")
        await store.commit([put("a", 1), put("b", 2)])
        await store.commit([Delete("k", "a")])
        await store.settled()
        store.close()

    async def second() -> None:
        store = SqliteStore(tmp_path / "db")
        assert [(r.key, r.revision) for r in store.list("k")] == [("b", 2)]
        assert [e.revision for e in store.history("k", 0)] == [1, 2, 3]
        assert store.revision == 3 + RESTART_GAP
        (event,) = await store.commit([put("c")])
        assert event.revision == 4 + RESTART_GAP
        assert [e.record.key for e in store.history("k", 3 + RESTART_GAP)] == ["c"]
        store.close()

    asyncio.run(first())
    asyncio.run(second())


def test_sqlite_knows_the_newest_revision_of_what_nobody_watches(tmp_path: Path) -> None:
    async def write() -> int:
        store = SqliteStore(tmp_path / "db")
        await store.commit([put("a")])
        (event,) = await store.commit([put("r", kind="references")])
        store.close()
        return event.revision

    async def newest() -> int:
        store = SqliteStore(tmp_path / "db")
        store.close()
        return store.revision

    written = asyncio.run(write())
    assert asyncio.run(newest()) >= written + RESTART_GAP


def test_sqlite_keeps_nothing_that_is_derived_and_gives_no_revision_of_it_again(tmp_path: Path) -> None:
    async def write() -> int:
        store = SqliteStore(tmp_path / "db")
        await store.commit([put("a"), put("r", kind="references")])
        for _ in range(RESTART_GAP + 1):
            await store.commit([put("r", kind="references")])
        store.close()
        return store.revision

    async def reopened() -> SqliteStore:
        store = SqliteStore(tmp_path / "db")
        assert store.list("references") == []
        store.derive("references", ["r", "q"])
        await store.commit([put("b"), Check("references", "q", store.list("references")[0].revision)])
        store.close()
        return store

    written, store = asyncio.run(write()), asyncio.run(reopened())
    assert store.revision > written + RESTART_GAP
    assert [record.key for record in store.list("references")] == ["q", "r"]


def test_sqlite_serves_one_manager(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "db")
    with pytest.raises(StoreUnusable, match="in use by another manager"):
        SqliteStore(tmp_path / "db")
    store.close()
    SqliteStore(tmp_path / "db").close()


def test_sqlite_refuses_what_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not a database, but long enough to be looked at as one")
    with pytest.raises(StoreUnusable, match="no database of ours"):
        SqliteStore(tmp_path / "text")
    with sqlite3.connect(tmp_path / "newer") as newer:
        newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StoreUnusable, match="upgrade"):
        SqliteStore(tmp_path / "newer")


@pytest.mark.parametrize("damage", ["page", "value"])
def test_sqlite_says_what_is_damaged_and_lets_go(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "netpersona.db"
    SqliteStore(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO records VALUES ('k', ?, 1, ?)", [(f"{n:03}", "{}" * 200) for n in range(100)]
        )
        if damage == "page":
            connection.execute("UPDATE records SET value = '{}'")
    if damage == "page":
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.seek(size // 2)
            file.write(b"\xff" * (size // 2))
    with pytest.raises(StoreUnusable, match=r"is damaged .*move it away"):
        SqliteStore(path)
    path.unlink()
    SqliteStore(path).close()
