from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from tests.unit.control.outcomes import ANYHOW, DRY, DRY_ANYHOW, planned, shown, stored

from netpersona.control import FakeStore, Service
from netpersona.control.models import NewWorkload
from netpersona.control.problems import Conflict, NotFound, PreconditionRequired, Unprocessable
from netpersona.control.resources.personas import REVISIONS_BOUND
from netpersona.kinds.workload import AssignmentRequest


def run(story: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(story)


def slow(latency: str = "10ms", name: str = "slow") -> dict[str, Any]:
    return {"persona_id": name, "ingress": {"latency": latency}}


async def worn(service: Service, workload_id: str = "w", **request: Any) -> None:
    await service.assignments.create(NewWorkload(workload_id=workload_id, kind="vm", interface="tap0"))
    await service.assignments.assign(workload_id, AssignmentRequest(persona_id="slow", **request))


def test_any_spelling_is_kept_in_the_canonical_one(service: Service) -> None:
    async def story() -> None:
        await service.personas.create({"personaId": "flat", "latencyMs": 20, "packetLossPercentage": 0.01})
        spec = service.personas.record("flat").value["spec"]
        assert spec == {"persona_id": "flat", "ingress": {"latency": "20ms", "loss": "1%"}}

    run(story())


def test_every_problem_of_a_document_has_its_pointer(service: Service) -> None:
    bad = {"persona_id": "bad", "ingres": {}, "egress": {"latency": "fast"}, "mtu": 1}
    with pytest.raises(Unprocessable) as caught:
        run(service.personas.create(bad))
    assert {error.pointer for error in caught.value.errors} == {"/ingres", "/egress/latency", "/mtu"}
    assert all(error.remedy for error in caught.value.errors)
    assert service.store.revision == 0


def test_a_name_is_taken_once(service: Service) -> None:
    async def story() -> None:
        await service.personas.create(slow())
        with pytest.raises(Conflict, match="exists"):
            await service.personas.create(slow("20ms"))

    run(story())


def test_replacing_needs_to_know_what_is_replaced(service: Service) -> None:
    async def story() -> None:
        await service.personas.replace("slow", slow())
        with pytest.raises(PreconditionRequired):
            await service.personas.replace("slow", slow("20ms"))
        with pytest.raises(Unprocessable, match="the path other"):
            await service.personas.replace("other", slow(), ANYHOW)

    run(story())


def test_a_new_revision_reaches_who_follows_and_not_who_is_pinned(service: Service, store: FakeStore) -> None:
    async def story() -> None:
        first = stored(await service.personas.create(slow()))
        await worn(service, "follower")
        await worn(service, "pinned", persona_revision=first.revision)
        before, before_at = shown(service, "follower")["sequence"], store.revision
        second = stored(await service.personas.replace("slow", slow("20ms"), ANYHOW))
        follower, pinned = (shown(service, name) for name in ("follower", "pinned"))
        assert follower["assignment"]["persona"]["ingress"] == {"latency": "20ms"}
        assert (
            follower["assignment"]["persona_revision"]
            == second.revision
            == service.personas.get("slow").revision
        )
        assert follower["sequence"] == follower["assignment"]["sequence"] > before
        assert follower["previous"]["persona_revision"] == first.revision
        assert pinned["assignment"]["persona"]["ingress"] == {"latency": "10ms"}
        assert store.history("workloads", before_at) == []

    run(story())


def test_a_followed_fallback_is_renewed_without_touching_the_trial(service: Service) -> None:
    async def story() -> None:
        await service.personas.create(slow())
        await worn(service)
        await service.personas.create(slow("1s", "trial"))
        await service.assignments.assign("w", AssignmentRequest(persona_id="trial", ttl="60s"))
        expires = shown(service, "w")["assignment"]["expires_at"]
        await service.personas.replace("slow", slow("20ms"), ANYHOW)
        assignment = shown(service, "w")["assignment"]
        assert assignment["persona_id"] == "trial"
        assert assignment["expires_at"] == expires
        assert assignment["fallback"]["persona"]["ingress"] == {"latency": "20ms"}

    run(story())


def test_a_persona_in_use_stays_and_the_refusal_names_its_users(service: Service) -> None:
    async def story() -> None:
        await service.personas.create(slow())
        await worn(service, "w1")
        await worn(service, "w2", ttl="1m", fallback="slow")
        assert service.personas.get("slow").state.in_use_by == ("w1", "w2")
        with pytest.raises(Conflict, match="w1, w2"):
            await service.personas.delete("slow")
        for name in ("w1", "w2"):
            await service.assignments.release(name)
        await service.personas.delete("slow")
        with pytest.raises(NotFound):
            service.personas.get("slow")

    run(story())


def test_old_revisions_are_kept_up_to_a_bound_and_go_with_the_persona(
    service: Service, store: FakeStore
) -> None:
    async def story() -> None:
        revisions = [stored(await service.personas.create(slow())).revision]
        for number in range(REVISIONS_BOUND + 3):
            record = stored(await service.personas.replace("slow", slow(f"{number + 1}ms"), ANYHOW))
            revisions.append(record.revision)
        kept = [r for r in revisions if service.personas.revision("slow", r) is not None]
        assert kept == revisions[-REVISIONS_BOUND - 1 :]
        await service.personas.delete("slow")
        assert store.list("archive") == []

    run(story())


def test_old_revisions_of_one_persona_are_not_those_of_another(service: Service) -> None:
    async def story() -> None:
        for name in ("slow", "slow-er"):
            await service.personas.create(slow("1ms", name))
            await service.personas.replace(name, slow("2ms", name), ANYHOW)
        await service.personas.delete("slow")
        assert len(service.store.list("archive")) == 1

    run(story())


def test_a_dry_run_answers_the_plan_and_stores_nothing(service: Service) -> None:
    async def story() -> None:
        await service.personas.create(slow())
        at = service.store.revision
        plan = planned(await service.personas.replace("slow", slow("20ms"), DRY_ANYHOW))
        assert plan["changes"] == [
            {"pointer": "/ingress/latency", "before": "10ms", "after": "20ms", "label": "live"}
        ]
        await service.personas.create(slow(name="new"), DRY)
        await service.personas.delete("slow", DRY)
        assert service.store.revision == at

    run(story())
