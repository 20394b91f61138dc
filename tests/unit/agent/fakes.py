"""Stand-ins for the manager and the data path, and small makers of their values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from netpersona.agent.manager_client import ManagerRefused, ManagerUnreachable
from netpersona.client import Event
from netpersona.datapath import (
    Attached,
    Binding,
    DatapathError,
    Endpoint,
    Facing,
    FakeDatapath,
)
from netpersona.kinds.persona import CompiledPersona

LATENCIES = {"slow": "50ms", "fast": "1ms"}


def endpoint(interface: str, ifindex: int) -> Endpoint:
    return Endpoint(interface=interface, ifindex=ifindex, facing=Facing.WORKLOAD)


def attached(attachment: int, place: Endpoint) -> Attached:
    return Attached(
        attachment=attachment, ifindex=place.ifindex, interface=place.interface, facing=place.facing
    )


def binding(*, slot: int, generation: int = 2, expires_ns: int = 0, fallback_slot: int = 0) -> Binding:
    return Binding(generation=generation, slot=slot, expires_ns=expires_ns, fallback_slot=fallback_slot)


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
        self.created: list[Mapping[str, Any]] = []
        self.deleted: list[str] = []
        self.unknown_personas: set[str] = set()
        self.failing = 0
        self.told_all = asyncio.Event()

    async def watch(self, kind: str = "workloads", host: str | None = None) -> AsyncIterator[Event]:
        del kind, host
        if not self.watches:
            await asyncio.Event().wait()
        for event in self.watches.pop(0):
            if event is None:
                raise ManagerUnreachable("scripted")
            yield event
        self.told_all.set()
        await asyncio.Event().wait()

    async def put_statuses(self, host: str, statuses: Mapping[str, Mapping[str, Any]]) -> None:
        del host
        if self.failing:
            self.failing -= 1
            raise ManagerUnreachable("scripted")
        self.batches.append(len(statuses))
        self.statuses += statuses.items()

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


class CountingDatapath(FakeDatapath):
    """The fake of the data path, counting what would touch traffic, and dying when told to."""

    def __init__(self) -> None:
        super().__init__({})
        self.attaches = 0
        self.before_switch: Callable[[], object] = lambda: None
        self._calls_left: int | None = None

    def plug(self, interface: str, ifindex: int) -> None:
        self.interfaces[interface] = ifindex

    def unplug(self, interface: str) -> None:
        del self.interfaces[interface]

    def dies_after(self, calls: int | None) -> None:
        """Every later call fails; None brings it back to life."""
        self._calls_left = calls

    def _call(self) -> None:
        if self._calls_left is None:
            return
        if self._calls_left == 0:
            raise DatapathError("killed")
        self._calls_left -= 1

    def attach(self, interface: str, facing: Facing, *, ifindex: int = 0) -> int:
        self._call()
        self.attaches += 1
        return super().attach(interface, facing, ifindex=ifindex)

    def detach(self, attachment: int) -> None:
        self._call()
        super().detach(attachment)

    def attached(self) -> list[Attached]:
        self._call()
        return super().attached()

    def install(self, compiled: CompiledPersona) -> int:
        self._call()
        return super().install(compiled)

    def switch(self, attachment: int, slot: int, *, expires_ns: int = 0, fallback_slot: int = 0) -> int:
        self._call()
        self.before_switch()
        return super().switch(attachment, slot, expires_ns=expires_ns, fallback_slot=fallback_slot)

    def binding(self, attachment: int) -> Binding:
        self._call()
        return super().binding(attachment)

    def generations(self) -> list[int]:
        self._call()
        return super().generations()
