from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.control.outcomes import ANYHOW

from netpersona.control import FakeStore, Service
from netpersona.control.http.streams import DOCUMENTS_BOUND, Text
from netpersona.control.models import NewWorkload
from netpersona.control.problems import Gone
from netpersona.control.watch.feed import Message
from netpersona.control.watch.sources import HOST_FEED
from netpersona.kinds.verification import VerificationRequest, VerificationResult
from netpersona.kinds.wanted import WantedWorkload
from netpersona.kinds.workload import AssignmentRequest, StatusReport


def told(messages: list[Message]) -> list[tuple[str, Any]]:
    events = [json.loads(message.body) for message in messages]
    assert [e["revision"] for e in events] == [m.revision for m in messages]
    return [(e["type"], e["object"].get("workload_id", e["object"].get("persona_id"))) for e in events]


def on_host(name: str, host: str = "local") -> NewWorkload:
    return NewWorkload(workload_id=name, kind="vm", interface="tap0", host=host)


def place(host: str) -> dict[str, str]:
    return {"kind": "vm", "interface": "tap0", "host": host}


async def add(service: Service, name: str, host: str = "local") -> None:
    await service.assignments.create(on_host(name, host))


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
        assert at < messages[0].revision
        assert [m.revision for m in messages] == sorted({m.revision for m in messages})

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
        service.report_status("a", StatusReport(phase="missing"))
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
        service.report_status("mine", StatusReport(phase="missing"))
        await service.verifications.request("theirs", VerificationRequest())
        await service.verifications.request("mine", VerificationRequest())
        await service.workloads.replace("theirs", place("c"), ANYHOW)
        await service.workloads.replace("mine", place("b"), ANYHOW)
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


async def followed(service: Service) -> None:
    await service.personas.create({"persona_id": "a", "mtu": 1400})
    for name in ("one", "two"):
        wanted = on_host(name).model_copy(update={"persona": AssignmentRequest(persona_id="a")})
        await service.assignments.create(wanted)


def taking(out: bytearray) -> Callable[[bytes], bool]:
    def take(data: bytes) -> bool:
        out.extend(data)
        return True

    return take


def lines(messages: list[Message]) -> list[dict[str, Any]]:
    """As a stream has them: with the documents that its reader lacks."""
    text, out = Text(lambda message: message.body + b"\n"), bytearray()
    for message in messages:
        text.give(message, taking(out))
    return [json.loads(line) for line in bytes(out).splitlines()]


def test_a_host_is_told_a_document_once_and_who_wears_it(service: Service) -> None:
    async def story() -> None:
        await followed(service)
        watch = service.feed.watch(HOST_FEED, None, "local")
        said = lines(await watch.take())
        assert [line["type"] for line in said] == ["DOCUMENT", "ADDED", "ADDED", "BOOKMARK"]
        worn = [line["object"]["assignment"] for line in said[1:3]]
        assert {one["digest"] for one in worn} == {said[0]["object"]["digest"]}
        assert said[0]["object"]["document"] == {"persona_id": "a", "mtu": 1400}
        assert all("persona" not in one for one in worn)
        for line in said[1:3]:
            read = WantedWorkload.model_validate(line["object"])
            assert not read.model_extra
            assert read.model_dump(exclude_unset=True) == line["object"]

    asyncio.run(story())


def test_replacing_a_persona_tells_who_follows_it(service: Service) -> None:
    async def story() -> None:
        await followed(service)
        host, everybody = service.feed.watch(HOST_FEED, None, "local"), service.feed.watch("workloads", None)
        before = {line["object"].get("workload_id"): line["object"] for line in lines(await host.take())}
        await everybody.take()
        await service.personas.replace("a", {"mtu": 1300}, ANYHOW)
        said = lines(await host.take())
        assert [line["type"] for line in said] == ["DOCUMENT", "MODIFIED", "MODIFIED"]
        for line in said[1:]:
            assert line["object"]["sequence"] > before[line["object"]["workload_id"]]["sequence"]
        shown = [line["object"] for line in lines(await everybody.take())]
        assert {one["assignment"]["persona"]["mtu"] for one in shown} == {1300}

    asyncio.run(story())


def test_a_resumed_watch_is_told_what_followers_wear_by_now(service: Service) -> None:
    async def story() -> None:
        await followed(service)
        at = service.store.revision
        for mtu in (1300, 1200):
            await service.personas.replace("a", {"mtu": mtu}, ANYHOW)
        said = lines(await service.feed.watch("workloads", at).take())
        assert [line["object"]["workload_id"] for line in said] == ["one", "two"]
        assert {line["object"]["assignment"]["persona"]["mtu"] for line in said} == {1200}

    asyncio.run(story())


def test_what_is_left_is_counted_when_the_line_is_made(service: Service, clock: Any) -> None:
    async def story() -> None:
        await followed(service)
        await service.assignments.assign("one", AssignmentRequest(persona_id="a", ttl="60s"))
        watch = service.feed.watch(HOST_FEED, None, "local")
        clock.advance(seconds=20)
        said = {line["object"].get("workload_id"): line["object"] for line in lines(await watch.take())}
        assert said["one"]["assignment"]["remaining_ms"] == 40_000
        assert said["two"]["assignment"]["remaining_ms"] is None

    asyncio.run(story())


def test_a_line_that_was_not_taken_leaves_its_document_untold(service: Service) -> None:
    async def story() -> None:
        await followed(service)
        message = (await service.feed.watch(HOST_FEED, None, "local").take())[0]
        text, taken = Text(lambda message: message.body + b"\n"), bytearray()
        assert not text.give(message, lambda _: False)
        assert text.give(message, taking(taken))
        assert [json.loads(line)["type"] for line in taken.splitlines()] == ["DOCUMENT", "ADDED"]

    asyncio.run(story())


def test_readers_are_told_to_forget_before_they_hold_too_much() -> None:
    text, out = Text(lambda message: message.body + b"\n"), bytearray()
    for number in range(DOCUMENTS_BOUND + 2):
        message = Message("ADDED", 1, dict, {str(number): {}})
        assert text.give(message, taking(out))
    types = [json.loads(line)["type"] for line in out.splitlines()]
    assert types.count("FORGET") == 1
    assert types[2 * DOCUMENTS_BOUND :] == ["FORGET", "DOCUMENT", "ADDED", "DOCUMENT", "ADDED"]


def test_a_list_says_since_when_a_follower_is_as_it_is(service: Service) -> None:
    """Whoever compares two lists sees by it that the persona was replaced in between."""

    async def story() -> None:
        await followed(service)
        before = lines(await service.feed.watch("workloads", None).take())
        await service.personas.replace("a", {"mtu": 1300}, ANYHOW)
        after = lines(await service.feed.watch("workloads", None).take())
        assert after[0]["revision"] == service.personas.record("a").revision > before[0]["revision"]
        assert after[0]["object"]["revision"] == before[0]["object"]["revision"]

    asyncio.run(story())
