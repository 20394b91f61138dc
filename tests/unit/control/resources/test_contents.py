"""Documents by content: there as long as somebody refers to them, and never longer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.control.outcomes import ANYHOW, shown, stored

from netpersona.control import FakeStore, Service
from netpersona.control.models import NewWorkload
from netpersona.control.store.protocol import DOCUMENTS, OPERATIONS_BOUND, REFERENCES, Delete, Put, StoreError
from netpersona.control.store.stored import Assignment
from netpersona.kinds.workload import AssignmentRequest


def run(story: Any) -> Any:
    return asyncio.run(story)


async def ready(service: Service) -> None:
    for name, latency in (("a", "10ms"), ("b", "20ms")):
        await service.personas.create({"persona_id": name, "ingress": {"latency": latency}})
    await service.assignments.create(NewWorkload(workload_id="w", kind="vm", interface="tap0"))


async def assign(service: Service, persona_id: str, **more: Any) -> None:
    await service.assignments.assign("w", AssignmentRequest(persona_id=persona_id, **more))


def documents(service: Service) -> int:
    return len(service.store.list(DOCUMENTS))


def test_who_follows_keeps_no_document(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "a")
        assert documents(service) == 0
        record = service.workloads.record("w")
        assert "ingress" not in str(record.value["assignment"])

    run(story())


def test_a_document_is_kept_once_and_goes_when_nobody_refers_to_it(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        await service.assignments.create(NewWorkload(workload_id="w2", kind="vm", interface="tap1"))
        for name in ("w", "w2"):
            await service.assignments.assign(name, AssignmentRequest(persona_id="starlink"))
        assert documents(service) == 1
        await service.workloads.delete("w")
        assert await service.contents.collect() == 0
        await service.workloads.delete("w2")
        assert await service.contents.collect() == 1
        assert documents(service) == 0

    run(story())


def test_what_was_worn_is_there_although_its_persona_is_gone(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "a")
        await assign(service, "b")
        await service.personas.delete("a")
        await service.contents.collect()
        await service.assignments.rollback("w")
        assert shown(service)["assignment"]["persona"]["ingress"] == {"latency": "10ms"}

    run(story())


def test_what_is_taken_up_while_it_is_collected_stays(service: Service, store: FakeStore) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "starlink")
        digest = service.store.list(DOCUMENTS)[0].key
        await service.workloads.delete("w")
        key = f"documents/{digest}/workloads/other"
        store.interfere = lambda: store.apply(store.resolve([Put(REFERENCES, key, {})]))
        assert await service.contents.collect() == 0
        assert documents(service) == 1

    run(story())


def test_a_manager_that_dies_between_leaves_what_the_next_collects(
    service: Service, store: FakeStore
) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "starlink")
        await service.workloads.delete("w")
        store.fail_with = StoreError("full")
        with pytest.raises(StoreError):
            await service.contents.collect()
        store.fail_with = None
        assert await Service(store).contents.collect() == 1

    run(story())


def test_replacing_writes_in_proportion_to_the_persona(service: Service, store: FakeStore) -> None:
    """Three hundred followers, and one that pins: none of them is written."""

    async def story() -> None:
        await ready(service)
        for number in range(300):
            wanted = NewWorkload.model_validate(
                {
                    "workload_id": f"f{number}",
                    "kind": "vm",
                    "interface": "tap0",
                    "persona": {"persona_id": "a"},
                }
            )
            await service.assignments.create(wanted)
        apply, written = store.apply, list[str]()
        store.apply = lambda events: (written.extend(e.record.kind for e in events), apply(events))[1]  # type: ignore[method-assign,func-returns-value]
        second = stored(await service.personas.replace("a", {"mtu": 1400}, ANYHOW))
        assert sorted(written) == ["archive", "personas"]
        assignment = shown(service, "f299")["assignment"]
        assert (assignment["persona_revision"], assignment["persona"]["mtu"]) == (second.revision, 1400)
        assert shown(service, "f0")["previous"]["persona"]["ingress"] == {"latency": "10ms"}

    run(story())


def test_the_largest_commits_are_bounded(service: Service, store: FakeStore) -> None:
    """A persona with all its revisions, and a workload with all its verifications, go in one commit each."""
    from netpersona.kinds.verification import VerificationRequest

    async def story() -> None:
        await ready(service)
        sizes: list[int] = []
        resolve = store.resolve
        store.resolve = lambda operations: sizes.append(len(operations)) or resolve(operations)  # type: ignore[method-assign,func-returns-value]
        for number in range(20):
            await service.personas.replace("a", {"mtu": 1300 + number}, ANYHOW)
            await service.verifications.request("w", VerificationRequest())
        await assign(service, "a", ttl="60s", fallback="b")
        await service.workloads.delete("w")
        await service.personas.delete("a")
        assert max(sizes) < OPERATIONS_BOUND / 2

    run(story())


def test_switching_to_and_fro_writes_no_reference_to_a_document_twice(
    service: Service, store: FakeStore
) -> None:
    async def story() -> None:
        await ready(service)
        for persona in "abab":
            await assign(service, persona)
        written: list[str] = []
        resolve = store.resolve

        def spy(operations: Any) -> Any:
            written.extend(one.key for one in operations if isinstance(one, Put | Delete))
            return resolve(operations)

        store.resolve = spy  # type: ignore[method-assign]
        await assign(service, "a")
        assert sorted(written) == ["personas/a/workloads/w", "personas/b/workloads/w", "w"]
        store.resolve = resolve  # type: ignore[method-assign]
        assert await service.contents.collect() == 1
        await service.assignments.rollback("w")
        assert shown(service)["assignment"]["persona_id"] == "b"

    run(story())


def test_what_is_relied_on_while_it_is_tidied_stays(service: Service, store: FakeStore) -> None:
    """The reference that a switch takes up again goes away between its reading and its commit."""

    async def story() -> None:
        await ready(service)
        for persona in "aba":
            await assign(service, persona)
        stale = next(r for r in store.list(REFERENCES, prefix="documents/") if not _in_use(service, r.key))
        store.interfere = lambda: store.apply(store.resolve([Delete(REFERENCES, stale.key)]))
        await assign(service, "b")
        assert all(_in_use(service, r.key) for r in store.list(REFERENCES, prefix="documents/")) is False
        await service.contents.collect()
        await service.personas.delete("a")
        await service.assignments.rollback("w")
        assert shown(service)["assignment"]["persona"]["ingress"] == {"latency": "10ms"}

    run(story())


def _in_use(service: Service, key: str) -> bool:
    assignment = Assignment.of(service.workloads.record("w").value)
    return any(key.startswith(f"documents/{ref.name}/") for ref in assignment.references())
