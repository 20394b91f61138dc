"""The kernel programs as a driver: which interfaces carry them, and which persona is in force there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from netpersona import _engine
from netpersona.datapath.driver import Target, Wanted
from netpersona.datapath.errors import NotAttached
from netpersona.datapath.programs.kernel import NULL_SLOT, KernelDatapath
from netpersona.datapath.programs.plan import (
    Applied,
    Attach,
    Bind,
    Detach,
    ProgramsChange,
    plan,
)
from netpersona.datapath.types import Capabilities, Facing
from netpersona.kinds.persona import CompiledPersona


class ProgramsDriver:
    """See `Driver`. Attaching and detaching wait for the kernel without the GIL; binding is one store."""

    name = "programs"
    instant = True

    def __init__(self, kernel: KernelDatapath) -> None:
        self._kernel = kernel
        self._known: dict[int, tuple[tuple[int, Facing, int, bool], Applied]] = {}

    def probe(self) -> Capabilities:
        return self._kernel.probe()

    def scope(self, wanted: Wanted) -> None:
        """Everything: it is one table."""
        del wanted

    def concerns(self, target: Target) -> bool:
        del target
        return True

    def observe(self, only: Collection[int] | None = None) -> Mapping[int, Applied]:
        now_ns = _engine.now_ns()
        if only is None:
            return self._everything(now_ns)
        found = {ifindex: self._kernel.find(ifindex) for ifindex in only}
        return {ifindex: self._applied(ifindex, *place, now_ns) for ifindex, place in found.items() if place}

    def _everything(self, now_ns: int) -> Mapping[int, Applied]:
        """Reads bindings whose generation is another than when they were read last, and those with an end."""
        generations = self._kernel.generations()  # before the bindings: a store in between is seen next time
        known, self._known = self._known, {}
        for ifindex, attachment, facing in self._kernel.places():
            key = (attachment, facing, generations[attachment], self._kernel.is_whole(ifindex))
            before = known.get(ifindex)
            if before is None or before[0] != key or before[1].expires_ns:
                before = (key, self._applied(ifindex, attachment, facing, now_ns))
            self._known[ifindex] = before
        return {ifindex: applied for ifindex, (_, applied) in self._known.items()}

    def plan(self, current: Mapping[int, Applied], wanted: Wanted) -> Sequence[ProgramsChange]:
        return plan(current, wanted)

    def apply(self, change: ProgramsChange) -> None:
        match change:
            case Attach(endpoint=endpoint):
                self._kernel.attach(endpoint.interface, endpoint.facing, ifindex=endpoint.ifindex)
            case Detach(ifindex=ifindex):
                if place := self._kernel.find(ifindex):
                    self._kernel.detach(place[0])
            case Bind():
                self._bind(change)

    def _applied(self, ifindex: int, attachment: int, facing: Facing, now_ns: int) -> Applied:
        binding = self._kernel.binding(attachment)
        return Applied(
            attachment,
            facing,
            self._kernel.is_whole(ifindex),
            self._kernel.digest(binding.slot),
            binding.expires_ns,
            self._kernel.digest(binding.fallback_slot),
            lapsed=bool(binding.expires_ns) and binding.expires_ns <= now_ns,
        )

    def _bind(self, change: Bind) -> None:
        assigned = change.assigned
        place = self._kernel.find(change.ifindex)
        if place is None:
            raise NotAttached(f"nothing is attached to interface {change.ifindex}; the next pass attaches")
        slot = self._slot(assigned.persona)
        fallback_slot = self._slot(assigned.fallback)
        self._kernel.switch(place[0], slot, expires_ns=assigned.expires_ns, fallback_slot=fallback_slot)

    def _slot(self, persona: CompiledPersona | None) -> int:
        return self._kernel.install(persona) if persona else NULL_SLOT
