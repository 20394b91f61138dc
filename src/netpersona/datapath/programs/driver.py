"""The kernel programs as a driver: which interfaces carry them, and which persona is in force there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from netpersona import _engine
from netpersona.datapath.driver import Wanted
from netpersona.datapath.errors import NotAttached
from netpersona.datapath.kernel import NULL_SLOT, KernelDatapath
from netpersona.datapath.programs.plan import (
    Applied,
    Attach,
    Bind,
    Detach,
    ProgramsChange,
    plan,
)
from netpersona.datapath.types import Attached, Capabilities
from netpersona.kinds.persona import CompiledPersona


class ProgramsDriver:
    """See `Driver`. Attaching and detaching wait for the kernel without the GIL; binding is one store."""

    name = "programs"
    instant = True

    def __init__(self, kernel: KernelDatapath) -> None:
        self._kernel = kernel

    def probe(self) -> Capabilities:
        return self._kernel.probe()

    def observe(self, only: Collection[int] | None = None) -> Mapping[int, Applied]:
        now_ns = _engine.now_ns()
        unfinished = self._kernel.unfinished(only)
        return {
            entry.ifindex: self._applied(entry, entry.ifindex not in unfinished, now_ns)
            for entry in self._kernel.attached(only)
        }

    def plan(self, current: Mapping[int, Applied], wanted: Wanted) -> Sequence[ProgramsChange]:
        return plan(current, wanted)

    def apply(self, change: ProgramsChange) -> None:
        match change:
            case Attach(endpoint=endpoint):
                self._kernel.attach(endpoint.interface, endpoint.facing, ifindex=endpoint.ifindex)
            case Detach(ifindex=ifindex):
                for entry in self._kernel.attached((ifindex,)):
                    self._kernel.detach(entry.attachment)
            case Bind():
                self._bind(change)

    def _applied(self, entry: Attached, whole: bool, now_ns: int) -> Applied:
        binding = self._kernel.binding(entry.attachment)
        return Applied(
            entry.attachment,
            entry.interface,
            entry.facing,
            whole,
            self._kernel.digest(binding.slot),
            binding.expires_ns,
            self._kernel.digest(binding.fallback_slot),
            lapsed=bool(binding.expires_ns) and binding.expires_ns <= now_ns,
        )

    def _bind(self, change: Bind) -> None:
        assigned = change.assigned
        attachment = self._kernel.find(change.ifindex)
        if attachment is None:
            raise NotAttached(f"nothing is attached to interface {change.ifindex}; the next pass attaches")
        slot = self._slot(assigned.persona)
        fallback_slot = self._slot(assigned.fallback)
        self._kernel.switch(attachment, slot, expires_ns=assigned.expires_ns, fallback_slot=fallback_slot)

    def _slot(self, persona: CompiledPersona | None) -> int:
        return self._kernel.install(persona) if persona else NULL_SLOT
