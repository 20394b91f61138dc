"""What the host's feed says, as the agent takes it."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.unit.agent.fakes import FakeManager

from netpersona.agent.backoff import Backoff
from netpersona.agent.desired import Workload
from netpersona.agent.follower import Follower
from netpersona.client import Event

SPEC = {"kind": "netns", "host": "h", "netns": "web", "interface": "eth0", "facing": "auto"}
SLOW = {"persona_id": "slow", "egress": {"latency": "50ms"}}


class Recorder:
    """The part of an agent that a follower speaks to."""

    def __init__(self) -> None:
        self.states: dict[str, Workload] = {}
        self.told: list[Workload] = []

    def replace_all(self, workloads: Any) -> None:
        self.states = {workload.workload_id: workload for workload in workloads}
        self.told += self.states.values()

    def want(self, workload: Workload) -> None:
        self.states[workload.workload_id] = workload
        self.told.append(workload)

    def unwant(self, workload_id: str) -> None:
        del self.states[workload_id]


def document(digest: str = "d1", persona: Any = SLOW) -> Event:
    return Event("DOCUMENT", {"digest": digest, "document": persona})


def workload(kind: str, name: str = "web", *, digest: str | None = "d1", **more: Any) -> Event:
    worn = digest and {"persona_id": "slow", "persona_revision": 3, "digest": digest, **more}
    return Event(kind, {"workload_id": name, "revision": 1, "spec": SPEC, "sequence": 5, "assignment": worn})


def follow(*events: Event) -> Recorder:
    recorder = Recorder()

    async def story() -> None:
        manager = FakeManager(list(events))
        follower = Follower(manager, recorder, "h", Backoff(lambda low, _: low), lambda _: None)  # type: ignore[arg-type]
        running = asyncio.create_task(follower.run())
        await asyncio.wait_for(manager.told_all.wait(), 5)
        running.cancel()

    asyncio.run(story())
    return recorder


BOOKMARK = Event("BOOKMARK", {})


def test_digests_stand_for_documents_that_came_before() -> None:
    recorder = follow(document(), workload("ADDED"), workload("ADDED", "other"), BOOKMARK)
    worn = [found.assignment.persona for found in recorder.told if found.assignment]
    assert [one.document for one in worn] == ['{"egress":{"latency":"50ms"},"persona_id":"slow"}'] * 2


def test_what_is_left_counts_from_when_it_came() -> None:
    recorder = follow(document(), workload("ADDED", remaining_ms=60_000.0), BOOKMARK)
    assignment = recorder.told[0].assignment
    assert assignment is not None
    assert assignment.expires_at is not None
    assert assignment.expires_at.tzinfo is not None


def test_a_workload_without_its_document_is_skipped_and_the_others_are_not() -> None:
    recorder = follow(workload("ADDED", digest="d9"), workload("ADDED", "bare", digest=None), BOOKMARK)
    assert [found.workload_id for found in recorder.told] == ["bare"]


def test_what_is_forgotten_is_told_again_before_it_is_named() -> None:
    fast = {"persona_id": "slow", "egress": {"latency": "1ms"}}
    recorder = follow(
        document(),
        workload("ADDED"),
        BOOKMARK,
        Event("FORGET", {}),
        workload("MODIFIED"),
        document("d2", fast),
        workload("MODIFIED", digest="d2"),
    )
    worn = [found.assignment.persona.document for found in recorder.told if found.assignment]
    assert len(worn) == 2
    assert "1ms" in worn[1]


def test_a_deleted_one_needs_no_document() -> None:
    recorder = follow(document(), workload("ADDED"), BOOKMARK, workload("DELETED", digest="gone"))
    assert recorder.states == {}
