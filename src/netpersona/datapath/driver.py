"""What a data path can do. `KernelDatapath` does it, `FakeDatapath` remembers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from netpersona.datapath.types import Attached, Binding, Capabilities, EngineStats, Facing, Observation
from netpersona.kinds.persona import CompiledPersona


class Datapath(Protocol):
    """All may raise DatapathError. Slot 0 is the null persona: everything passes."""

    def probe(self) -> Capabilities: ...

    def attach(self, interface: str, facing: Facing, *, ifindex: int = 0) -> int:
        """Put the programs on an interface; idempotent. Raises EndpointMissing, AttachmentsFull.

        With `ifindex`, only if the name still means that interface: a VM's TAP may be another's by now.
        """

    def detach(self, attachment: int) -> None:
        """Take them off; idempotent, fine if the interface is gone."""

    def attached(self) -> list[Attached]: ...

    def install(self, compiled: CompiledPersona) -> int:
        """The slot that holds a compiled persona; equal digests share one. Raises SlotsFull."""

    def switch(self, attachment: int, slot: int, *, expires_ns: int = 0, fallback_slot: int = 0) -> int:
        """One 64-bit store, in force from the next packet on; answers the generation.

        `expires_ns` (CLOCK_MONOTONIC, 0: never) is when kernel and engine turn to `fallback_slot`
        by themselves.
        """

    def binding(self, attachment: int) -> Binding: ...

    def generations(self) -> Sequence[int]:
        """Of all bindings, by attachment: where one is what it was, so is the binding."""

    def observe(self, attachment: int) -> Observation: ...

    def engine(self) -> EngineStats: ...

    def close(self) -> None:
        """Let go; what is pinned stays in force. Idempotent."""

    def destroy(self) -> None:
        """Remove everything from the kernel. Idempotent."""
