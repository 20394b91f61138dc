"""A data path in memory, for tests of what stands on it."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from netpersona.datapath.errors import EndpointMissing, NotAttached
from netpersona.datapath.types import (
    Attached,
    Binding,
    Capabilities,
    Counters,
    EngineStats,
    Facing,
    LaneStats,
    Observation,
)
from netpersona.kinds.persona import CompiledPersona


class FakeDatapath:
    """`interfaces` (name to ifindex) is the world; change it as the test goes. `switches` is the log."""

    def __init__(self, interfaces: dict[str, int], now_ns: Callable[[], int] = lambda: 0) -> None:
        self.interfaces = interfaces
        self.switches: list[tuple[int, int]] = []
        self._now_ns = now_ns
        self._attached: dict[int, Attached] = {}
        self._slots: dict[str, int] = {}
        self._bindings: dict[int, Binding] = {}
        self._numbers = itertools.count(1)

    def probe(self) -> Capabilities:
        return Capabilities("fake", "tcx", "a fake takes everything", 2047, 2047, 0, 0)

    def attach(self, interface: str, facing: Facing, *, ifindex: int = 0) -> int:
        if interface not in self.interfaces or ifindex not in (0, self.interfaces[interface]):
            raise EndpointMissing(f"no interface {interface} here; `ip link` lists those there are")
        ifindex = self.interfaces[interface]
        for entry in self._attached.values():
            if entry.ifindex == ifindex and entry.facing == facing:
                return entry.attachment
        number = next(self._numbers)
        self._attached[number] = Attached(number, ifindex, interface, facing)
        self._bindings.setdefault(number, Binding(0, 0, 0, 0))
        return number

    def detach(self, attachment: int) -> None:
        if self._attached.pop(attachment, None):
            self._bind(attachment, 0, 0, 0)

    def attached(self) -> list[Attached]:
        names = {ifindex: name for name, ifindex in self.interfaces.items()}
        return [
            Attached(entry.attachment, entry.ifindex, names.get(entry.ifindex), entry.facing)
            for entry in self._attached.values()
        ]

    def install(self, compiled: CompiledPersona) -> int:
        return self._slots.setdefault(compiled.digest, len(self._slots) + 1)

    def switch(self, attachment: int, slot: int, *, expires_ns: int = 0, fallback_slot: int = 0) -> int:
        self._require(attachment)
        self.switches.append((attachment, slot))
        return self._bind(attachment, slot, expires_ns, fallback_slot)

    def binding(self, attachment: int) -> Binding:
        return self._bindings.get(attachment, Binding(0, 0, 0, 0))

    def generations(self) -> list[int]:
        last = max(self._bindings, default=0)
        return [FakeDatapath.binding(self, number).generation for number in range(last + 1)]

    def observe(self, attachment: int) -> Observation:
        self._require(attachment)
        interface = self._attached[attachment].interface
        return Observation(attachment, interface, Counters(), Counters(), LaneStats(), LaneStats())

    def engine(self) -> EngineStats:
        return EngineStats(alive=True, heartbeat_age_ns=0)

    def close(self) -> None:
        """Nothing is held."""

    def destroy(self) -> None:
        self._attached.clear()

    def slot_in_force(self, attachment: int) -> int:
        return self.binding(attachment).slot_at(self._now_ns())

    def _require(self, attachment: int) -> None:
        if attachment not in self._attached:
            raise NotAttached(f"no attachment {attachment}; attach its interface first")

    def _bind(self, attachment: int, slot: int, expires_ns: int, fallback_slot: int) -> int:
        generation = self.binding(attachment).generation + 2
        self._bindings[attachment] = Binding(generation, slot, expires_ns, fallback_slot)
        return generation
