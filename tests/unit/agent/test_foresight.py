import asyncio
from typing import Any

import pytest
from tests.unit.agent.fakes import FakeManager

from netpersona.agent import wardrobe as wardrobe_module
from netpersona.agent.backoff import Backoff
from netpersona.agent.desired import Dress, canonical_text
from netpersona.agent.foresight import foresee
from netpersona.agent.wardrobe import Wardrobe
from netpersona.client import Event
from netpersona.kinds.persona import from_mapping, to_mapping

SLOW = to_mapping(from_mapping({"persona_id": "slow", "egress": {"latency": "50ms", "jitter": "10ms"}}))


async def watched(wardrobe: Wardrobe, *events: Event) -> None:
    manager = FakeManager(list(events))
    task = asyncio.create_task(foresee(manager, wardrobe, Backoff(lambda _low, _high: 0.0)))
    await manager.told_all.wait()
    task.cancel()


def no_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Any) -> None:
        raise AssertionError("compiled on the fast path")

    monkeypatch.setattr(wardrobe_module, "compile_persona", refuse)


def test_a_persona_that_was_created_is_compiled_before_it_is_worn(monkeypatch: pytest.MonkeyPatch) -> None:
    wardrobe = Wardrobe()
    asyncio.run(watched(wardrobe, Event("ADDED", {"persona_id": "slow", "spec": SLOW})))
    no_compiling(monkeypatch)
    assert wardrobe.compiled(Dress("slow", 3, canonical_text(SLOW))).digest


def test_foresight_displaces_nothing_that_is_worn(monkeypatch: pytest.MonkeyPatch) -> None:
    wardrobe = Wardrobe(capacity=2)
    worn = Dress("slow", 1, canonical_text(SLOW))
    wardrobe.compiled(worn)
    asyncio.run(watched(wardrobe))
    no_compiling(monkeypatch)
    assert wardrobe.compiled(worn).digest
