"""What labels of containers may do, and what they may not."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.agent.fakes import FakeManager, workload_document

from netpersona.agent.desired import Workload, parse_workload
from netpersona.agent.labels import BOUND, Labels, Plan, plan_labels
from netpersona.host import Container

ID, OTHER = "a" * 64, "b" * 64


def container(identity: str = ID, name: str = "web", pid: int = 5, **labels: str) -> Container:
    return Container(identity, name, pid, tuple((f"netpersona.{key}", text) for key, text in labels.items()))


def workload(name: str, reference: str, *, labelled: bool = False) -> Workload:
    spec = {"kind": "container", "host": "h", "container": reference, "labelled": labelled}
    return parse_workload(workload_document(name, spec=spec))


def plan(*containers: Container, known: tuple[Workload, ...] = (), **options: Any) -> Plan:
    return plan_labels(containers, known, "h", **{"allowed": True, "complete": True, **options})


def test_a_label_makes_a_workload_of_its_own_container() -> None:
    (body,) = plan(container(persona="lag", ttl="10m")).create
    assert body == {
        "workload_id": f"web.{ID[:12]}",
        "kind": "container",
        "host": "h",
        "container": ID,
        "labelled": True,
        "persona": {"persona_id": "lag", "ttl": "10m"},
    }


def test_labels_that_nobody_allowed_make_nothing() -> None:
    assert plan(container(persona="lag"), allowed=False).create == ()


def test_a_container_that_does_not_run_or_has_no_label_makes_nothing() -> None:
    assert plan(container(pid=0, persona="lag"), container(OTHER)).create == ()


@pytest.mark.parametrize("persona", ["", "../web", "a b", "x" * 64, "lag\x1b[2J", "-lag"])
def test_a_label_of_another_form_is_refused(persona: str) -> None:
    said = plan(container(persona=persona))
    assert said.create == ()
    assert said.refused["web"].isprintable()


@pytest.mark.parametrize("ttl", ["", "soon", "1h; rm", "9" * 20 + "s"])
def test_a_ttl_of_another_form_is_refused(ttl: str) -> None:
    assert "netpersona.ttl" in plan(container(persona="lag", ttl=ttl)).refused["web"]


def test_a_container_cannot_take_a_name_that_is_taken() -> None:
    """Not that of a workload, which a label's never has, and not that of another container."""
    known = (workload("web", OTHER),)
    (body,) = plan(container(persona="lag"), container(OTHER, "db"), known=known).create
    assert body["workload_id"] != "web"
    assert body["container"] == ID
    assert body["workload_id"] != plan(container("c" * 64, persona="lag")).create[0]["workload_id"]


@pytest.mark.parametrize("reference", ["web", ID, ID[:12]])
def test_a_workload_that_a_person_added_comes_before_a_label(reference: str) -> None:
    known = (workload("mine", reference),)
    assert plan(container(persona="lag"), known=known) == Plan((), (), {})
    made = workload(f"web.{ID[:12]}", ID, labelled=True)
    assert plan(container(persona="lag"), known=(*known, made)).remove == (made.workload_id,)


def test_it_goes_with_its_container_but_only_if_that_is_sure() -> None:
    made = workload(f"web.{ID[:12]}", ID, labelled=True)
    assert plan(container(persona="lag"), known=(made,)) == Plan((), (), {})
    assert plan(container(pid=0), known=(made,)).remove == ()
    assert plan(known=(made,)).remove == (made.workload_id,)
    assert plan(known=(made,), allowed=False).remove == (made.workload_id,)
    assert plan(known=(made,), complete=False).remove == ()
    assert plan(known=(workload("web", ID),)).remove == ()


def test_there_is_a_bound() -> None:
    many = [container(f"{number:064x}", f"c{number}", persona="lag") for number in range(BOUND + 1)]
    said = plan(*many)
    assert (len(said.create), len(said.refused)) == (BOUND, 1)


class Table:
    def __init__(self, *containers: Container) -> None:
        self.containers = list(containers)
        self.complete = True

    def need(self) -> None:
        """Nothing has to be started."""

    def all(self) -> list[Container]:
        return self.containers


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


def test_each_is_made_once_and_a_refusal_is_remembered_and_tried_again() -> None:
    async def story() -> None:
        manager, table = FakeManager(), Table(container(persona="lag"), container(OTHER, "db", persona="no"))
        manager.unknown_personas = {"no"}
        labels = Labels(manager, table, lambda: [], "h", allowed=True)
        running = asyncio.ensure_future(labels.run())
        await until(lambda: labels.refused)
        labels.wake.set()
        await until(lambda: not labels.wake.is_set())
        assert [body["container"] for body in manager.created] == [ID]
        assert list(labels.refused) == [f"db.{OTHER[:12]}"]
        manager.unknown_personas = set()
        labels.wake.set()
        await until(lambda: len(manager.created) == 2)
        running.cancel()

    asyncio.run(story())


def test_nothing_happens_before_the_manager_has_told_what_there_is() -> None:
    async def story() -> None:
        manager = FakeManager()
        labels = Labels(manager, Table(container(persona="lag")), lambda: None, "h", allowed=True)
        running = asyncio.ensure_future(labels.run())
        await asyncio.sleep(0.01)
        assert manager.created == []
        running.cancel()

    asyncio.run(story())
