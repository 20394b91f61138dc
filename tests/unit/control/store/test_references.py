"""What relies on what is said by the commit itself, whoever else writes meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.control.outcomes import shown

from netpersona.control import FakeStore, Service
from netpersona.control.models import NewWorkload
from netpersona.control.problems import Conflict, Unprocessable
from netpersona.control.resources.context import ATTEMPTS
from netpersona.control.store.protocol import REFERENCES, Delete, Put
from netpersona.control.store.sqlite import SqliteStore
from netpersona.kinds.workload import AssignmentRequest


def run(story: Any) -> Any:
    return asyncio.run(story)


async def ready(service: Service) -> None:
    await service.personas.create({"persona_id": "a"})
    await service.assignments.create(NewWorkload(workload_id="w", kind="vm", interface="tap0"))


def meanwhile(store: FakeStore, *operations: Any) -> Callable[[], None]:
    """What another manager does between our reading and our commit."""
    return lambda: store.apply(store.resolve(operations))


def test_what_is_deleted_meanwhile_is_not_assigned(service: Service, store: FakeStore) -> None:
    async def story() -> None:
        await ready(service)
        store.interfere = meanwhile(store, Delete("personas", "a"))
        with pytest.raises(Unprocessable, match="no persona"):
            await service.assignments.assign("w", AssignmentRequest(persona_id="a"))
        assert shown(service)["assignment"] is None
        assert service.store.list(REFERENCES, prefix="personas/") == []

    run(story())


def test_what_is_taken_up_meanwhile_is_not_deleted(service: Service, store: FakeStore) -> None:
    async def story() -> None:
        await ready(service)
        store.interfere = meanwhile(store, Put(REFERENCES, "personas/a/workloads/other", {}))
        with pytest.raises(Conflict, match="in use by other"):
            await service.personas.delete("a")

    run(story())


def test_what_is_replaced_meanwhile_is_assigned_as_it_is_by_then(service: Service, store: FakeStore) -> None:
    async def story() -> None:
        await ready(service)
        value = service.personas.record("a").value
        newer = {**value, "spec": {"persona_id": "a", "mtu": 1400}, "digest": "d", "edition": 2}
        store.interfere = meanwhile(store, Put("personas", "a", newer))
        await service.assignments.assign("w", AssignmentRequest(persona_id="a"))
        assert shown(service)["assignment"]["persona_revision"] == service.personas.record("a").revision
        assert shown(service)["assignment"]["persona"]["mtu"] == 1400

    run(story())


def test_patience_with_others_has_an_end(service: Service, store: FakeStore) -> None:
    async def story() -> None:
        await ready(service)
        touched = 0

        def touch() -> None:
            nonlocal touched
            touched += 1
            meanwhile(store, Put("workloads", "w", service.workloads.record("w").value))()
            store.interfere = touch

        store.interfere = touch
        with pytest.raises(Conflict, match="at the same time"):
            await service.assignments.assign("w", AssignmentRequest(persona_id="a"))
        assert touched == ATTEMPTS

    run(story())


def test_references_are_what_was_written_last(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        await service.personas.create({"persona_id": "b"})

        def users() -> list[tuple[str, ...]]:
            return [service.personas.get(name).state.in_use_by for name in ("a", "b")]

        await service.assignments.assign("w", AssignmentRequest(persona_id="a"))
        assert users() == [("w",), ()]
        await service.assignments.assign("w", AssignmentRequest(persona_id="b", ttl="60s"))
        assert users() == [("w",), ("w",)]
        await service.assignments.release("w")
        assert users() == [(), ()]
        await service.workloads.delete("w")
        await service.contents.collect()
        assert list(service.store.list(REFERENCES)) == []

    run(story())


def test_a_restart_knows_who_refers_to_whom(tmp_path: Path) -> None:
    """Also after a kill -9: nothing of it is kept beside what refers."""
    path = tmp_path / "db"

    async def first() -> None:
        service = Service(SqliteStore(path))
        await ready(service)
        await service.personas.create({"persona_id": "b"})
        for name, ttl in (("a", None), ("b", "60s"), ("a", "60s")):
            await service.assignments.assign("w", AssignmentRequest(persona_id=name, ttl=ttl))
        kept.update(record.key for record in service.store.list(REFERENCES))
        service.close()

    async def second() -> None:
        service = Service(SqliteStore(path))
        found = {record.key for record in service.store.list(REFERENCES)}
        assert kept - found <= {key for key in kept if key.startswith("documents/")}
        assert found <= kept
        assert service.personas.get("a").state.in_use_by == ("w",)
        with pytest.raises(Conflict, match="in use by w"):
            await service.personas.delete("a")
        await service.assignments.release("w")
        await service.personas.delete("a")
        service.close()

    kept: set[str] = set()
    run(first())
    run(second())
