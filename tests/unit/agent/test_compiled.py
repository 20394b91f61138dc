import asyncio
from collections.abc import Set
from typing import Any

import pytest
from tests.unit.agent.fakes import FakeManager

from netpersona.agent import compiled as compiled_module
from netpersona.agent.backoff import Backoff
from netpersona.agent.compiled import CompiledCache, precompile
from netpersona.agent.desired import PersonaReference, canonical_text
from netpersona.client import Event
from netpersona.kinds.persona import from_mapping, presets, to_mapping

SLOW = to_mapping(from_mapping({"persona_id": "slow", "egress": {"latency": "50ms", "jitter": "10ms"}}))
LISTED = Event("BOOKMARK", {})


def persona(name: str) -> PersonaReference:
    return PersonaReference(name, 1, canonical_text(document(name)))


def document(name: str) -> dict[str, Any]:
    return to_mapping(from_mapping({"persona_id": name, "mtu": 1400}))


def created(name: str) -> Event:
    return Event("ADDED", {"persona_id": name, "spec": document(name)})


async def watched(cache: CompiledCache, *events: Event) -> None:
    manager = FakeManager(list(events))
    task = asyncio.create_task(precompile(manager, cache, Backoff(lambda _low, _high: 0.0)))
    await manager.told_all.wait()
    task.cancel()


def no_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> None:
        raise AssertionError("compiled on the fast path")

    monkeypatch.setattr(compiled_module, "compile_persona", refuse)


def test_what_was_created_is_compiled_before_it_is_assigned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cache = CompiledCache()
    asyncio.run(watched(cache, Event("ADDED", {"persona_id": "slow", "spec": SLOW})))
    no_compiling(monkeypatch)
    assert cache.compile(PersonaReference("slow", 3, canonical_text(SLOW))).digest


def test_presets_and_what_was_there_before_displace_nothing() -> None:
    cache = CompiledCache(capacity=2)
    cache.compile(persona("assigned"))
    asyncio.run(watched(cache, created("before"), LISTED))
    assert cache.find(persona("assigned"))
    assert cache.find(persona("before")) is None


def test_a_full_cache_still_takes_what_is_new() -> None:
    cache = CompiledCache(capacity=len(presets()) + 1)
    asyncio.run(watched(cache, created("before"), LISTED, *(created(f"new-{n}") for n in range(3))))
    assert cache.find(persona("new-2"))
    assert cache.find(persona("before"))


def test_what_is_in_use_is_displaced_by_nothing_that_is_not() -> None:
    used: Set[str] = {persona("a").document, persona("b").document}
    cache = CompiledCache(lambda: used, capacity=2)
    for name in ("a", "b"):
        cache.compile(persona(name))
    cache.precompile(document("c"))
    assert cache.find(persona("c")) is None
    assert cache.find(persona("a"))
    assert cache.find(persona("b"))


def test_the_one_asked_for_longest_ago_makes_room() -> None:
    cache = CompiledCache(lambda: {persona("a").document}, capacity=3)
    for name in ("a", "b", "c"):
        cache.compile(persona(name))
    cache.find(persona("b"))
    cache.precompile(document("d"))
    assert [bool(cache.find(persona(name))) for name in ("a", "b", "c", "d")] == [True, True, False, True]


def test_what_is_needed_now_finds_room_even_if_all_is_in_use() -> None:
    cache = CompiledCache(lambda: {persona(name).document for name in ("a", "b")}, capacity=1)
    assert cache.compile(persona("a")).digest
    assert cache.compile(persona("b")).digest
    assert cache.find(persona("b"))
    assert cache.find(persona("a")) is None
