from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest
from tests.unit.control.outcomes import ANYHOW, DRY, planned, shown, stored

from netpersona.control import Service
from netpersona.control.identity.calls import Call
from netpersona.control.models import NewWorkload
from netpersona.control.preconditions import Precondition
from netpersona.control.problems import Conflict, NotFound, PreconditionFailed, Unprocessable
from netpersona.control.store.protocol import Record
from netpersona.kinds.persona import presets
from netpersona.kinds.workload import AssignmentRequest


def run(story: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(story)


async def ready(service: Service) -> None:
    for name, latency in (("a", "10ms"), ("b", "20ms"), ("c", "30ms")):
        await service.personas.create({"persona_id": name, "ingress": {"latency": latency}})
    await service.assignments.create(NewWorkload(workload_id="w", kind="vm", interface="tap0"))


async def assign(service: Service, persona_id: str, **more: Any) -> Record:
    return stored(await service.assignments.assign("w", AssignmentRequest(persona_id=persona_id, **more)))


def wears(service: Service) -> str | None:
    assignment = shown(service, "w")["assignment"]
    return str(assignment["persona_id"]) if assignment else None


def test_an_assignment_shows_the_document_of_the_persona(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        workload = await assign(service, "a")
        assert shown(service)["assignment"] == {
            "persona_id": "a",
            "persona_revision": service.personas.record("a").revision,
            "persona": {"persona_id": "a", "ingress": {"latency": "10ms"}},
            "follows": True,
            "assigned_at": "2030-01-01T00:00:00.000000Z",
            "expires_at": None,
            "fallback": None,
            "sequence": workload.value["sequence"],
            "anew": True,
            "confirm_by": None,
            "probe": None,
        }

    run(story())


def test_sequences_rise_over_release_and_a_new_life_of_the_name(service: Service, clock: Any) -> None:
    async def story() -> None:
        await ready(service)
        seen = [shown(service, "w")["sequence"]]
        for step in ("a", "b"):
            seen.append((await assign(service, step)).value["sequence"])
        seen.append(stored(await service.assignments.release("w")).value["sequence"])
        await service.workloads.delete("w")
        clock.advance(seconds=1)
        await service.assignments.create(NewWorkload(workload_id="w", kind="vm", interface="tap0"))
        seen.append((await assign(service, "a")).value["sequence"])
        assert seen == sorted(set(seen))

    run(story())


def test_a_fallback_may_be_pinned_to_a_revision(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        first = service.personas.record("a").revision
        await service.personas.replace("a", {"persona_id": "a", "mtu": 1280}, ANYHOW)
        await assign(service, "b", ttl="60s", fallback="a", fallback_revision=first)
        fallback = shown(service)["assignment"]["fallback"]
        assert (fallback["persona_revision"], fallback["follows"]) == (first, False)
        assert fallback["persona"].get("mtu") != 1280

    run(story())


def test_a_preset_is_assigned_by_name_unless_a_persona_has_it(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        name = sorted(presets())[0]
        await assign(service, name)
        assert shown(service)["assignment"]["persona_revision"] == 0
        created = stored(await service.personas.create({"persona_id": name, "mtu": 1400}))
        await assign(service, name)
        assert shown(service)["assignment"]["persona_revision"] == created.revision

    run(story())


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        ({"persona_id": "nope"}, "/persona_id"),
        ({"persona_id": "a", "persona_revision": 999}, "/persona_revision"),
        (
            {"persona_id": "a", "ttl": "1s", "fallback": "a", "fallback_revision": 999},
            "/fallback_revision",
        ),
        ({"persona_id": "a", "ttl": "1s", "fallback_revision": 1}, "/fallback_revision"),
        ({"persona_id": "nope", "persona_revision": 1}, "/persona_id"),
        ({"persona_id": "a", "ttl": "1 fortnight"}, "/ttl"),
        ({"persona_id": "a", "ttl": "0s"}, "/ttl"),
        ({"persona_id": "a", "ttl": "1s", "fallback": "nope"}, "/fallback"),
        ({"persona_id": "a", "fallback": "b"}, "/fallback"),
    ],
)
def test_what_cannot_be_assigned_is_pointed_at(service: Service, request_: Any, pointer: str) -> None:
    async def story() -> None:
        await ready(service)
        at = service.store.revision
        with pytest.raises(Unprocessable) as caught:
            await assign(service, **request_)
        assert [error.pointer for error in caught.value.errors] == [pointer]
        assert service.store.revision == at

    run(story())


def test_unknown_workloads_and_stale_conditions_are_refused(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        with pytest.raises(NotFound):
            await service.assignments.assign("nope", AssignmentRequest(persona_id="a"))
        for act in (service.assignments.release, service.assignments.rollback):
            with pytest.raises(PreconditionFailed):
                await act("w", Call(condition=Precondition(if_match='"1"')))

    run(story())


def test_a_trial_falls_back_to_what_was_worn(service: Service, clock: Any) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "a")
        await assign(service, "b", ttl="60s")
        assert await service.assignments.expire() == clock() + timedelta(seconds=60)
        clock.advance(seconds=59.999)
        await service.assignments.expire()
        assert wears(service) == "b"
        clock.advance(seconds=0.001)
        assert await service.assignments.expire() is None
        assert wears(service) == "a"
        assert shown(service, "w")["assignment"]["expires_at"] is None

    run(story())


def test_a_trial_on_nothing_falls_back_to_nothing(service: Service, clock: Any) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "b", ttl="1s")
        clock.advance(seconds=1)
        await service.assignments.expire()
        assert wears(service) is None

    run(story())


def test_trials_do_not_nest(service: Service, clock: Any) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "a")
        await assign(service, "b", ttl="60s")
        await assign(service, "c", ttl="10s")
        clock.advance(seconds=10)
        await service.assignments.expire()
        assert wears(service) == "a"

    run(story())


def test_a_named_fallback_follows(service: Service, clock: Any) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "a")
        await assign(service, "b", ttl="1s", fallback="c")
        clock.advance(seconds=2)
        await service.assignments.expire()
        assert wears(service) == "c"

    run(story())


def test_rolling_back_twice_ends_where_it_began(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        with pytest.raises(Conflict, match="nothing before"):
            await service.assignments.rollback("w")
        await assign(service, "a")
        await assign(service, "b")
        await service.assignments.rollback("w")
        assert wears(service) == "a"
        await service.assignments.rollback("w")
        assert wears(service) == "b"

    run(story())


def test_rollback_undoes_a_release_and_a_bad_replacement(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "a")
        await service.assignments.release("w")
        await service.assignments.rollback("w")
        assert wears(service) == "a"
        await assign(service, "a")
        await service.personas.replace("a", {"ingress": {"loss": "100%"}}, ANYHOW)
        await service.assignments.rollback("w")
        assignment = shown(service, "w")["assignment"]
        assert assignment["persona"]["ingress"] == {"latency": "10ms"}
        assert assignment["follows"] is False

    run(story())


def test_a_second_rollback_after_a_release_says_so(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "b")
        await assign(service, "a")
        await service.assignments.release("w")
        await service.assignments.rollback("w")
        with pytest.raises(Conflict, match="nothing before") as refused:
            await service.assignments.rollback("w")
        assert "DELETE" in refused.value.errors[0].remedy
        assert wears(service) == "a"

    run(story())


def test_an_equal_document_starts_nothing_anew_and_says_so(service: Service) -> None:
    def anew() -> bool:
        return bool(shown(service, "w")["assignment"]["anew"])

    async def story() -> None:
        await ready(service)
        said = []
        for persona, ttl in (("b", None), ("a", None), ("a", None), ("a", "60s"), ("a", None)):
            await assign(service, persona, ttl=ttl)
            said.append(anew())
        assert said == [True, True, False, True, True]
        await assign(service, "a")
        await service.personas.replace("a", {"ingress": {"loss": "100%"}}, ANYHOW)
        assert anew()
        await service.assignments.release("w")
        await assign(service, "a")
        assert anew()

    run(story())


def test_rollback_passes_over_an_equal_document(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        for persona in ("a", "b", "b"):
            await assign(service, persona)
        await service.assignments.rollback("w")
        assert wears(service) == "a"

    run(story())


def test_rollback_does_not_bring_an_expired_trial_back(service: Service, clock: Any) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "a")
        await assign(service, "b", ttl="1s")
        clock.advance(seconds=1)
        await service.assignments.expire()
        await service.assignments.rollback("w")
        assert wears(service) == "a"

    run(story())


def test_a_dry_run_answers_the_plan(service: Service) -> None:
    async def story() -> None:
        await ready(service)
        await assign(service, "a")
        at = service.store.revision
        request = AssignmentRequest(persona_id="b")
        plan = planned(await service.assignments.assign("w", request, DRY))
        assert {change["pointer"] for change in plan["changes"]} >= {"/ingress/latency"}
        await service.assignments.release("w", DRY)
        assert service.store.revision == at

    run(story())
