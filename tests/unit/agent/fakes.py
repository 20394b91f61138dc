"""A stand-in for the manager, and small makers of values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Any, NoReturn

from netpersona.agent.manager_client import ManagerRefused, ManagerUnreachable
from netpersona.client import Event
from netpersona.datapath import Endpoint, Facing

LATENCIES = {"slow": "50ms", "fast": "1ms"}


def endpoint(interface: str, ifindex: int) -> Endpoint:
    return Endpoint(interface=interface, ifindex=ifindex, facing=Facing.WORKLOAD)


def workload_document(name: str, **changes: Any) -> dict[str, Any]:
    spec = {"kind": "netns", "host": "h", "netns": name, "interface": "eth0", "facing": "auto"}
    return {"workload_id": name, "spec": spec, "assignment": None, "sequence": 0, **changes}


def assignment(persona_id: str, **changes: Any) -> dict[str, Any]:
    persona = {"persona_id": persona_id, "egress": {"latency": LATENCIES.get(persona_id, "10ms")}}
    return {"persona_id": persona_id, "persona_revision": 1, "persona": persona, **changes}


class FakeManager:
    """Plays scripted watches, one a connection, and keeps what it is told. `None` breaks a watch off."""

    def __init__(self, *watches: list[Event | None]) -> None:
        self.watches = list(watches)
        self.statuses: list[tuple[str, Mapping[str, Any]]] = []
        self.verifications: dict[str, Mapping[str, Any]] = {}
        self.batches: list[int] = []
        self.measured: list[Mapping[str, Mapping[str, Any]]] = []
        self.wanted_again: set[str] = set()
        self.created: list[Mapping[str, Any]] = []
        self.deleted: list[str] = []
        self.unknown_personas: set[str] = set()
        self.failing = 0
        self.told_all = asyncio.Event()

    async def watch(self, kind: object) -> AsyncIterator[Event]:
        del kind
        for event in await self._next():
            if event is None:
                raise ManagerUnreachable("scripted")
            yield event
        await self._hold()

    async def follow(self, host: str, take: Callable[[Event], None]) -> NoReturn:
        del host
        for event in await self._next():
            if event is None:
                raise ManagerUnreachable("scripted")
            take(event)
        await self._hold()

    async def _next(self) -> list[Event | None]:
        if not self.watches:
            await asyncio.Event().wait()
        return self.watches.pop(0)

    async def _hold(self) -> NoReturn:
        self.told_all.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def put_statuses(self, host: str, statuses: Mapping[str, Mapping[str, Any]]) -> None:
        del host
        if self.failing:
            self.failing -= 1
            raise ManagerUnreachable("scripted")
        self.batches.append(len(statuses))
        self.statuses += statuses.items()

    async def put_measured(self, host: str, reports: Mapping[str, Mapping[str, Any]]) -> Collection[str]:
        del host
        if self.failing:
            self.failing -= 1
            raise ManagerUnreachable("scripted")
        self.measured.append(reports)
        wanted, self.wanted_again = self.wanted_again, set()
        return wanted

    async def put_host(self, host: str, document: Mapping[str, Any]) -> None:
        del host, document

    async def put_verification(
        self, workload_id: str, verification_id: str, result: Mapping[str, Any]
    ) -> None:
        del workload_id
        self.verifications[verification_id] = result

    async def create_workload(self, document: Mapping[str, Any]) -> None:
        if document["persona"]["persona_id"] in self.unknown_personas:
            raise ManagerRefused("scripted")
        self.created.append(document)

    async def delete_workload(self, workload_id: str) -> None:
        self.deleted.append(workload_id)
