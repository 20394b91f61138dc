from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from netpersona.control import FakeStore, Service
from netpersona.control.conditions import Condition
from netpersona.control.feed import Message
from netpersona.control.models import NewWorkload
from netpersona.control.problems import Gone
from netpersona.control.service import HOST_FEED
from netpersona.kinds.verification import VerificationRequest, VerificationResult


def told(messages: list[Message]) -> list[tuple[str, Any]]:
    events = [json.loads(message.body) for message in messages]
    assert [e["revision"] for e in events] == [m.revision for m in messages]
    return [(e["type"], e["object"].get("workload_id", e["object"].get("persona_id"))) for e in events]


def on_host(name: str, host: str = "local") -> NewWorkload:
    return NewWorkload(workload_id=name, kind="vm", interface="tap0", host=host)


async def add(service: Service, name: str, host: str = "local") -> None:
    await service.workloads.create(on_host(name, host))


def test_a_new_watch_starts_with_what_is_there(service: Service) -> None:
    async def story() -> None:
        await add(service, "a")
        await service.verifications.request("a", VerificationRequest())
        watch = service.feed.watch("workloads", None)
        await add(service, "b")
        assert told(await watch.take()) == [
            ("ADDED", "a"),
            ("BOOKMARK", None),
            ("VERIFY", "a"),
            ("ADDED", "b"),
        ]

    asyncio.run(story())


def test_a_resumed_watch_gets_what_it_missed_and_nothing_twice(service: Service) -> None:
    async def story() -> None:
        await add(service, "a")
        at = service.store.revision
        await add(service, "b")
        request = await service.verifications.request("b", VerificationRequest())
        await service.workloads.delete("a")
        watch = service.feed.watch("workloads", at)
        await service.verifications.report(
            "b", request.key.partition("/")[2], VerificationResult(state="done")
        )
        messages = await watch.take()
        assert told(messages) == [("ADDED", "b"), ("VERIFY", "b"), ("DELETED", "a"), ("VERIFY", "b")]
        assert [m.revision for m in messages] == [at + 1, at + 2, at + 3, at + 4]

    asyncio.run(story())


def test_personas_and_their_old_revisions_are_told_apart(service: Service) -> None:
    async def story() -> None:
        watch = service.feed.watch("personas", 0)
        await service.personas.create({"persona_id": "a"})
        await service.personas.delete("a")
        assert told(await watch.take()) == [("ADDED", "a"), ("DELETED", "a")]

    asyncio.run(story())


def test_a_status_is_told_with_the_whole_workload(service: Service) -> None:
    async def story() -> None:
        await add(service, "a")
        watch = service.feed.watch("workloads", service.store.revision)
        service.report_status("a", {"phase": "missing", "applied_sequence": 0})
        (message,) = await watch.take()
        event = json.loads(message.body)
        assert event["type"] == "STATUS"
        assert event["object"]["status"]["phase"] == "missing"
        assert event["object"]["spec"]["interface"] == "tap0"

    asyncio.run(story())


@pytest.mark.parametrize("revision", [1, 10_000])
def test_a_revision_that_is_not_held_is_gone(clock: Any, revision: int) -> None:
    async def story() -> None:
        service = Service(FakeStore(history_bound=2), clock)
        for name in ("a", "b", "c", "d"):
            await add(service, name)
        with pytest.raises(Gone, match="list again"):
            service.feed.watch("workloads", revision)

    asyncio.run(story())


def test_a_host_is_told_of_its_own_and_of_what_leaves_it(service: Service) -> None:
    async def story() -> None:
        await add(service, "mine", "a")
        await add(service, "theirs", "b")
        watch = service.feed.watch(HOST_FEED, None, "a")
        service.report_status("mine", {"phase": "missing", "applied_sequence": 0})
        await service.verifications.request("theirs", VerificationRequest())
        await service.verifications.request("mine", VerificationRequest())
        await service.workloads.replace("theirs", on_host("theirs", "c"), Condition(if_match="*"))
        await service.workloads.replace("mine", on_host("mine", "b"), Condition(if_match="*"))
        await service.workloads.delete("mine")
        messages = await watch.take()
        assert told(messages) == [
            ("ADDED", "mine"),
            ("BOOKMARK", None),
            ("VERIFY", "mine"),
            ("MODIFIED", "mine"),
        ]
        assert "status" not in json.loads(messages[0].body)["object"]

    asyncio.run(story())
