"""The data path of this host: kernel programs, pinned maps and the interfaces of our own."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path

from netpersona import _engine
from netpersona.datapath import clsact, links, mounts
from netpersona.datapath.errors import (
    AttachmentsFull,
    EndpointMissing,
    Incompatible,
    NotAttached,
    refusals,
)
from netpersona.datapath.records import counters, engine_stats, lane_stats
from netpersona.datapath.slots import SlotTable, Traffic
from netpersona.datapath.types import (
    Attached,
    Binding,
    Capabilities,
    Direction,
    EngineStats,
    Facing,
    Observation,
)
from netpersona.persona import CompiledPersona

DETOUR_TAP = "np-detour"
NULL_SLOT = 0
_FACINGS = tuple(Facing)
_HOOKS = {
    # Seen from the host, what the workload sends comes in by a TAP or veth, and leaves by a NIC.
    Facing.WORKLOAD: (("np_egress", "ingress"), ("np_ingress", "egress")),
    Facing.NETWORK: (("np_egress", "egress"), ("np_ingress", "ingress")),
}


def pins_path(run_dir: Path) -> Path:
    """The bpffs below a run directory."""
    return run_dir / "bpf"


class KernelDatapath:
    """See `Datapath`. One agent of a host at a time; `switch` may be called from any thread."""

    def __init__(self, kernel: _engine.Kernel, run_dir: Path, tap: str, *, tcx: bool) -> None:
        self._kernel: _engine.Kernel | None = kernel
        self._run_dir = run_dir
        self._tap = tap
        self._tcx = tcx
        self._lock = threading.RLock()
        self._attachments = {number: ifindex for ifindex, number, _ in kernel.enlisted()}
        self._switch: Callable[..., int] = kernel.bindings.switch
        layout = _engine.layout()
        self._capacity = layout["NP_MAX_ATTACHMENTS"]
        self._slots = SlotTable(layout["NP_MAX_SLOTS"], self._traffic)

    @classmethod
    def open(cls, run_dir: Path, *, tap: str = DETOUR_TAP, tcx: bool = True) -> KernelDatapath:
        """Load the programs, or adopt what is pinned below `run_dir` without touching traffic.

        `tcx=False` attaches by clsact filters even where links are to be had.

        Raises:
            Incompatible: another version pinned it; `remove` clears the way.
            NeedsRoot, KernelRefused: with what the kernel said.
        """
        pins = pins_path(run_dir)
        mounts.mount_bpffs(pins)
        with refusals("load the kernel programs"):
            try:
                kernel = _engine.load(pins)
            except _engine.Incompatible as error:
                raise Incompatible(str(error)) from error
        datapath = cls(kernel, run_dir, tap, tcx=tcx)
        datapath._own_interfaces()
        datapath._readopt()
        return datapath

    # ---- Datapath --------------------------------------------------------------------------------

    def probe(self) -> Capabilities:
        layout = _engine.layout()
        used = self._mechanism
        return Capabilities(
            kernel=os.uname().release,
            attach=used,
            attach_reason="the kernel takes tcx links"
            if used == "tcx"
            else "the kernel refuses tcx links (they need Linux 6.6), so filters on a clsact qdisc are used",
            attachments=layout["NP_MAX_ATTACHMENTS"] - 1,
            slots=layout["NP_MAX_SLOTS"] - 1,
            flows=layout["NP_MAX_FLOWS"],
            fragments=layout["NP_MAX_FRAGMENTS"],
        )

    def attach(self, interface: str, facing: Facing, attachment: int | None = None) -> int:
        ifindex = links.ifindex_of(interface)
        if not ifindex:
            raise EndpointMissing(f"no interface {interface} here; `ip link` lists those there are")
        with self._lock:
            present = self._present(ifindex)
            if present is not None and (
                present.facing != facing or attachment not in (None, present.attachment)
            ):
                self.detach(present.attachment)
                present = None
            number = present.attachment if present else self._number(attachment)
            with refusals(f"attach to {interface}"):
                self._put(number, ifindex, facing)
            return number

    def detach(self, attachment: int) -> None:
        with self._lock:
            ifindex = self._attachments.pop(attachment, 0)
            if not ifindex:
                return
            with refusals(f"detach attachment {attachment}"):
                for direction, hook in enumerate(("ingress", "egress")):
                    self._open.detach(_link(attachment, direction), ifindex, hook)
                self._open.strike(ifindex)
                self._open.bindings.place(attachment, 0, 0)
                self._switch(attachment, NULL_SLOT)
            clsact.release(pins_path(self._run_dir), ifindex)

    def attached(self) -> list[Attached]:
        return [
            Attached(number, ifindex, links.name_of(ifindex), _FACINGS[facing])
            for ifindex, number, facing in sorted(self._open.enlisted(), key=lambda entry: entry[1])
        ]

    def install(self, compiled: CompiledPersona) -> int:
        with self._lock:
            slot = self._slots.find(compiled.digest)
            if slot is None:
                slot = self._slots.take(compiled.digest)
                self._open.write_slot(slot, compiled.policy, compiled.conditions)
            return slot

    def switch(self, attachment: int, slot: int, *, expires_ns: int = 0, fallback_slot: int = 0) -> int:
        if attachment not in self._attachments:
            raise NotAttached(f"no attachment {attachment}; attach its interface first")
        return self._switch(attachment, slot, expires_ns, fallback_slot)

    def binding(self, attachment: int) -> Binding:
        record = self._open.bindings.read(attachment)
        return Binding(
            generation=record["generation"],
            slot=record["slot"],
            expires_ns=record["expires_ns"],
            fallback_slot=record["fallback_slot"],
        )

    def observe(self, attachment: int) -> Observation:
        kernel = self._open
        if attachment not in self._attachments:
            raise NotAttached(f"no attachment {attachment}; attach its interface first")
        egress, ingress = Direction.EGRESS, Direction.INGRESS
        return Observation(
            attachment=attachment,
            interface=links.name_of(self._attachments[attachment]),
            egress=counters(kernel.counters(attachment, egress)),
            ingress=counters(kernel.counters(attachment, ingress)),
            egress_lane=lane_stats(kernel.lane_stats(attachment, egress), kernel.lane(attachment, egress)),
            ingress_lane=lane_stats(kernel.lane_stats(attachment, ingress), kernel.lane(attachment, ingress)),
        )

    def engine(self) -> EngineStats:
        return engine_stats(self._open.engine(), _engine.now_ns())

    def close(self) -> None:
        self._kernel = None
        self._switch = _closed

    def destroy(self) -> None:
        if self._kernel is not None:
            for attachment in list(self._attachments):
                self.detach(attachment)
            self._kernel.set_tap(0)
            for name, interface in (("tap", self._tap), ("probe", links.PROBE_INJECT)):
                self._kernel.detach(name, links.ifindex_of(interface), "ingress")
            self.close()
        remove(self._run_dir, tap=self._tap)

    # ---- parts -----------------------------------------------------------------------------------

    @property
    def pins(self) -> Path:
        return pins_path(self._run_dir)

    @property
    def _open(self) -> _engine.Kernel:
        if self._kernel is None:
            _closed()
        assert self._kernel is not None
        return self._kernel

    def _own_interfaces(self) -> None:
        owner = str(self._run_dir.resolve())
        tap, probe = links.ensure_tap(self._tap, owner), links.ensure_probe_pair(owner)
        with refusals(f"attach to {self._tap}"):
            self._mechanism = self._open.attach("tap", "np_return", tap, "ingress", self._tcx).partition("-")[
                0
            ]
            self._open.attach("probe", "np_probe", probe, "ingress", self._tcx)
        self._open.set_tap(tap)

    def _readopt(self) -> None:
        """Known slots again, and the programs of this build on the interfaces that are still there."""
        for entry in self.attached():
            if entry.interface is not None:
                with refusals(f"attach to {entry.interface}"):
                    self._put(entry.attachment, entry.ifindex, entry.facing)
        for slot in self._traffic().bound - {NULL_SLOT}:
            policy, conditions = self._open.read_slot(slot)
            self._slots.adopt(slot, hashlib.sha256(policy + conditions).hexdigest())

    def _put(self, number: int, ifindex: int, facing: Facing) -> None:
        """The place first: programs find it from their first packet on."""
        kernel = self._open
        kernel.bindings.place(number, ifindex, facing.number)
        kernel.enlist(ifindex, number, facing.number)
        self._attachments[number] = ifindex
        for direction, (program, hook) in enumerate(_HOOKS[facing]):
            how = kernel.attach(_link(number, direction), program, ifindex, hook, self._tcx)
            if how == "clsact-made":
                clsact.claim(self.pins, ifindex)

    def _present(self, ifindex: int) -> Attached | None:
        """Reads the kernel's list only for an interface that we know of: attaching many stays linear."""
        if ifindex not in self._attachments.values():
            return None
        return next((entry for entry in self.attached() if entry.ifindex == ifindex), None)

    def _number(self, wanted: int | None) -> int:
        """The next number after the highest in use, so that a new workload meets no old flows."""
        if wanted is not None and wanted not in self._attachments:
            return wanted
        start = max(self._attachments, default=0)
        for number in itertools.chain(range(start + 1, self._capacity), range(1, start)):
            if number not in self._attachments:
                return number
        raise AttachmentsFull(
            f"{len(self._attachments)} interfaces are attached and no more can be "
            f"(bound {AttachmentsFull.bound}); release or delete workloads first"
        )

    def _traffic(self) -> Traffic:
        lanes = [(number, direction) for number in self._attachments for direction in Direction]
        records = {lane: self._open.lane(*lane) for lane in lanes}
        bindings = [self.binding(number) for number in self._attachments]
        return Traffic(
            now_ns=_engine.now_ns(),
            bound={slot for entry in bindings for slot in _referred(entry)},
            sent={lane: record["sent"] for lane, record in records.items()},
            settled={lane: record["settled"] for lane, record in records.items()},
        )


def remove(run_dir: Path, *, tap: str = DETOUR_TAP) -> None:
    """Remove pins and interfaces of any version, with whatever is attached. Idempotent.

    For what `KernelDatapath.open` calls incompatible; `KernelDatapath.destroy` ends with it.
    """
    pins = pins_path(run_dir)
    if mounts.is_bpffs(pins):
        for ifindex in clsact.claimed(pins):
            clsact.release(pins, ifindex)
    for name in (tap, links.PROBE_SEND):
        links.remove(name, str(run_dir.resolve()))
    mounts.unmount_bpffs(pins)


def _link(attachment: int, direction: int) -> str:
    return f"{attachment}_{Direction(direction).name.lower()}"


def _referred(binding: Binding) -> tuple[int, ...]:
    return (binding.slot, binding.fallback_slot) if binding.expires_ns else (binding.slot,)


def _closed(*_: int) -> int:
    raise NotAttached("this data path is closed; open it again")
