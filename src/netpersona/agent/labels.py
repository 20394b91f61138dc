"""Personas that containers ask for by their labels: `netpersona.persona` and `netpersona.ttl`.

Labels are the words of whoever started the container, so they count only on a host whose operator
said so, and reach that container alone: a workload made by labels is bound to the container's whole id,
which nobody chooses, and never takes the place of one that a person added.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from netpersona.agent.desired import Workload
from netpersona.agent.manager_client import Manager, ManagerRefused, ManagerUnreachable
from netpersona.host import PERSONA_LABEL, SHORT_ID, TTL_LABEL, Container
from netpersona.kinds.shown import brief

BOUND = 1024
"""Workloads made by labels on one host; the containers after that go without."""
RETRY_S = 10.0
"""How often a label that was refused is tried again: the persona may have been made meanwhile."""

_PERSONA = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_TTL = re.compile(r"[0-9.]{1,16}[a-z]{1,7}")
_NAME_CHARACTERS = 48  # with a dot and an id's beginning, still a workload's name (63)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Plan:
    """`create`: bodies of POST /v1/workloads. `remove`: names. `refused`: container name → why."""

    create: tuple[Mapping[str, Any], ...]
    remove: tuple[str, ...]
    refused: Mapping[str, str]


def plan_labels(
    containers: Iterable[Container],
    workloads: Iterable[Workload],
    host: str,
    *,
    allowed: bool,
    complete: bool,
) -> Plan:
    """What labels want. Pure. `complete`: whether a container that is not named is gone."""
    there = {container.id: container for container in containers}
    known = list(workloads)
    mine = {workload.container: workload for workload in known if workload.labelled and workload.container}
    by_hand = {workload.container for workload in known if workload.container and not workload.labelled}
    claimed = {identity for identity, container in there.items() if _named_by(by_hand, container)}
    gone = [w.workload_id for identity, w in mine.items() if complete and identity not in there]
    bodies: list[Mapping[str, Any]] = []
    refused: dict[str, str] = {}
    for identity in sorted(there.keys() - mine.keys() - claimed if allowed else ()):
        container = there[identity]
        if not container.running or container.label(PERSONA_LABEL) is None:
            continue
        reason = _fault(container) or (len(mine) + len(bodies) >= BOUND and f"{BOUND} have one already")
        if reason:
            refused[container.name or identity] = reason
        else:
            bodies.append(_body(container, host))
    taken_over = [mine[identity].workload_id for identity in mine.keys() & claimed]
    return Plan(tuple(bodies), tuple(sorted({*gone, *taken_over})), refused)


def _named_by(references: set[str], container: Container) -> bool:
    return container.name in references or any(
        container.id.startswith(reference) for reference in references if len(reference) >= SHORT_ID
    )


def _fault(container: Container) -> str | None:
    persona, ttl = container.label(PERSONA_LABEL) or "", container.label(TTL_LABEL)
    if not _PERSONA.fullmatch(persona):
        return f"the label {PERSONA_LABEL} is no name of a persona: {brief(persona)}"
    if ttl is not None and not _TTL.fullmatch(ttl):
        return f"the label {TTL_LABEL} is no duration such as 10m: {brief(ttl)}"
    return None


def _body(container: Container, host: str) -> Mapping[str, Any]:
    return {
        "workload_id": _name(container),
        "kind": "container",
        "host": host,
        "container": container.id,
        "labelled": True,
        "persona": {"persona_id": container.label(PERSONA_LABEL), "ttl": container.label(TTL_LABEL)},
    }


def _name(container: Container) -> str:
    """Of the workload; another container has another, whatever it calls itself."""
    name = container.name[:_NAME_CHARACTERS].rstrip("._-") or "container"
    return f"{name}.{container.id[:12]}"


class Containers(Protocol):
    """`ContainerWatch`, or a test's."""

    def need(self) -> None: ...

    def all(self) -> list[Container]: ...

    @property
    def complete(self) -> bool: ...


class Labels:
    """Makes the plan true, whenever it was woken and while something was refused."""

    def __init__(
        self,
        manager: Manager,
        containers: Containers,
        workloads: Callable[[], Iterable[Workload] | None],
        host: str,
        *,
        allowed: bool,
    ) -> None:
        """`workloads`: those of this host, None before the manager told them."""
        self._manager = manager
        self._containers = containers
        self._workloads = workloads
        self._host = host
        self._allowed = allowed
        self._made: set[str] = set()
        self.wake = asyncio.Event()
        self.refused: Mapping[str, str] = {}

    async def run(self) -> None:
        """Never returns."""
        while True:
            if self._allowed:
                self._containers.need()
            await self._pass()
            try:
                await asyncio.wait_for(self.wake.wait(), RETRY_S)
            except TimeoutError:
                continue
            finally:
                self.wake.clear()

    async def _pass(self) -> None:
        workloads = self._workloads()
        if workloads is None:
            return
        plan = plan_labels(
            self._containers.all(),
            workloads,
            self._host,
            allowed=self._allowed,
            complete=self._containers.complete,
        )
        refused = dict(plan.refused)
        try:
            for name in plan.remove:
                await self._manager.delete_workload(name)
                _log.info("removed with its container", workload=name)
            for body in plan.create:
                await self._create(body, refused)
        except ManagerUnreachable:
            return  # the follower says so; the next pass tries again
        for name, reason in refused.items() - self.refused.items():
            _log.warning("a label is passed over", container=name, reason=reason)
        self.refused = refused
        self._made &= {_name(container) for container in self._containers.all()}

    async def _create(self, body: Mapping[str, Any], refused: dict[str, str]) -> None:
        """Once: whoever removes it by hand has the last word, and the watch may not have told of it yet."""
        name = str(body["workload_id"])
        if name in self._made:
            return
        try:
            await self._manager.create_workload(body)
            self._made.add(name)
            _log.info("made by the labels of its container", workload=name)
        except ManagerRefused as error:
            refused[name] = brief(error, 300)
