"""The data path of this host: kernel programs, pinned maps and the interfaces of our own."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from netpersona import _engine
from netpersona.datapath import links, mounts
from netpersona.datapath.errors import (
    AttachmentsFull,
    DatapathError,
    EndpointMissing,
    Incompatible,
    NotAttached,
    refusals,
)
from netpersona.datapath.programs import clsact
from netpersona.datapath.programs.records import counters, engine_stats, lane_stats
from netpersona.datapath.programs.slots import SlotTable, Traffic
from netpersona.datapath.types import (
    Attached,
    Binding,
    Capabilities,
    Direction,
    EngineStats,
    Facing,
    Observation,
)
from netpersona.kinds.persona import CompiledPersona

DETOUR_TAP = "np-detour"
NULL_SLOT = 0
_UNFINISHED = "unfinished"
_FACINGS = tuple(Facing)
_HOOKS = {
    # Seen from the host, what the workload sends comes in by a TAP or veth, and leaves by a NIC.
    Facing.WORKLOAD: (("np_egress", "ingress"), ("np_ingress", "egress")),
    Facing.NETWORK: (("np_egress", "egress"), ("np_ingress", "ingress")),
}


def pins_path(run_dir: Path) -> Path:
    """The bpffs below a run directory."""
    return run_dir / "bpf"


def map_pin(run_dir: Path, name: str) -> Path:
    """Where a map of bpf/layout.h is pinned, in the layout of this build. KeyError for an unknown name."""
    return Path(_engine.map_pin(pins_path(run_dir), name))


class KernelDatapath:
    """Maps, programs and interfaces of one host. `switch` may be called from any thread.

    What is attached is asked of the pinned table each time, so that an agent that was killed in the middle,
    or a call that failed, leaves nothing unknown. One agent of a host at a time: see `exclusive`.
    """

    def __init__(self, kernel: _engine.Kernel, run_dir: Path, tap: str, *, tcx: bool) -> None:
        self._kernel: _engine.Kernel | None = kernel
        self._run_dir = run_dir
        self._tap = tap
        self._tcx = tcx
        self._lock = threading.RLock()
        self._installing = threading.Lock()  # not `_lock`: a switch does not wait for an attach
        self._switch: Callable[..., int] = kernel.bindings.switch
        (self.pins / _UNFINISHED).mkdir(exist_ok=True)
        self._unfinished = {int(mark.name) for mark in (self.pins / _UNFINISHED).iterdir()}
        layout = _engine.layout()
        self._capacity = layout["NP_MAX_ATTACHMENTS"]
        self._slots = SlotTable(layout["NP_MAX_SLOTS"], self._traffic)

    @classmethod
    def open(
        cls, run_dir: Path, *, tap: str = DETOUR_TAP, tcx: bool = True, adopt: bool = True
    ) -> KernelDatapath:
        """Load the programs, or adopt what is pinned below `run_dir` without touching traffic.

        `tcx=False` attaches by clsact filters even where links are to be had. `adopt=False` leaves what is
        attached to the agent that runs.

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
        if adopt:
            datapath._readopt()
        return datapath

    # ---- verbs --------------------------------------------------------------------------------

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

    def attach(self, interface: str, facing: Facing, *, ifindex: int = 0) -> int:
        wanted, ifindex = ifindex, links.ifindex_of(interface)
        if not ifindex or wanted not in (0, ifindex):
            raise EndpointMissing(f"no interface {interface} here; `ip link` lists those there are")
        with self._lock:
            present = self._open.find(ifindex)
            if present is not None and _FACINGS[present[1]] != facing:
                self.detach(present[0])
                present = None
            number = present[0] if present else self._number()
            try:
                with refusals(f"attach to {interface}"), self._marked(ifindex):
                    self._put(number, ifindex, facing)
            except DatapathError:
                if present is None:
                    with suppress(DatapathError):  # or the next pass detaches it
                        self.detach(number)
                raise
            return number

    def detach(self, attachment: int) -> None:
        """Where it fails or is killed, the attachment is still there to be detached."""
        with self._lock:
            ifindex = self._ifindex(attachment)
            if not ifindex:
                return
            with refusals(f"detach attachment {attachment}"), self._marked(ifindex):
                for direction, hook in enumerate(_hooks(self._open, attachment)):
                    self._open.detach(_link(attachment, direction), ifindex, hook)
                self._open.strike(ifindex)
                clsact.release(self.pins, ifindex)
                self._open.end(attachment)

    def attached(self) -> list[Attached]:
        return [
            Attached(number, ifindex, name, _FACINGS[facing])
            for ifindex, number, facing, name in self._open.attached()
        ]

    def places(self) -> list[tuple[int, int, Facing]]:
        """Interface, attachment and facing of all that `attached` names, without asking for a name."""
        return [(ifindex, number, _FACINGS[facing]) for ifindex, number, facing in self._open.places()]

    def vanished(self) -> set[int]:
        """Interfaces of attachments that are gone."""
        return {ifindex for ifindex, _, _, name in self._open.attached() if name is None}

    def find(self, ifindex: int) -> tuple[int, Facing] | None:
        """The attachment of an interface, and which side of it the workload is on."""
        found = self._open.find(ifindex)
        return (found[0], _FACINGS[found[1]]) if found else None

    def is_whole(self, ifindex: int) -> bool:
        """False where attaching or detaching was cut short, by a failure or a kill."""
        return ifindex not in self._unfinished

    def digest(self, slot: int) -> str:
        """Of the persona in a slot: "" for the null persona, "?" for one that nobody here has written."""
        return self._slots.digest(slot) if slot != NULL_SLOT else ""

    def install(self, compiled: CompiledPersona) -> int:
        with self._installing:
            slot = self._slots.find(compiled.digest)
            if slot is None:
                slot = self._slots.take(compiled.digest)
                self._open.write_slot(slot, compiled.policy, compiled.conditions)
            return slot

    def switch(self, attachment: int, slot: int, *, expires_ns: int = 0, fallback_slot: int = 0) -> int:
        try:
            return self._switch(attachment, slot, expires_ns, fallback_slot)
        except KeyError:
            raise _not_attached(attachment) from None

    def binding(self, attachment: int) -> Binding:
        record = self._open.bindings.read(attachment)
        return Binding(
            generation=record["generation"],
            slot=record["slot"],
            expires_ns=record["expires_ns"],
            fallback_slot=record["fallback_slot"],
        )

    def generations(self) -> Sequence[int]:
        return self._open.bindings.generations()

    def observe(self, attachment: int) -> Observation:
        kernel = self._open
        ifindex = self._ifindex(attachment)
        if not ifindex:
            raise _not_attached(attachment)
        egress, ingress = Direction.EGRESS, Direction.INGRESS
        return Observation(
            attachment=attachment,
            interface=links.name_of(ifindex),
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
            for _, attachment, _, _ in self._kernel.attached():
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
        if not kernel.life(number):
            kernel.begin(number)
        kernel.bindings.place(number, ifindex, facing.number)
        kernel.enlist(ifindex, number, facing.number)
        for direction, (program, hook) in enumerate(_HOOKS[facing]):
            how = kernel.attach(_link(number, direction), program, ifindex, hook, self._tcx)
            if how == "clsact-made":
                clsact.claim(self.pins, ifindex)

    @contextmanager
    def _marked(self, ifindex: int) -> Iterator[None]:
        """A directory on our bpffs, which holds no files, stays if the block fails or we are killed in it."""
        mark = self.pins / _UNFINISHED / str(ifindex)
        self._unfinished.add(ifindex)
        mark.mkdir(exist_ok=True)
        yield
        mark.rmdir()
        self._unfinished.discard(ifindex)

    def _ifindex(self, attachment: int) -> int:
        """0 if there is no such attachment."""
        return self._open.bindings.read(attachment)["ifindex"]

    def _number(self) -> int:
        """One never used, else the one let go longest ago, so that a new workload meets no old packets."""
        number = self._open.free(self._capacity)
        if number is None:
            raise AttachmentsFull(
                f"{len(self._open.attached())} interfaces are attached, or more were until a moment ago, "
                f"and no more can be (bound {AttachmentsFull.bound}); release or delete workloads first"
            )
        return number

    def _traffic(self) -> Traffic:
        slots, under_way = self._open.references()
        return Traffic(
            now_ns=_engine.now_ns(),
            bound=set(slots),
            sent={(life, direction): sent for life, direction, sent, _ in under_way},
            settled={(life, direction): settled for life, direction, _, settled in under_way},
        )


def check_layout(run_dir: Path) -> None:
    """Whether this build can go on with what is pinned. Changes nothing.

    Raises:
        Incompatible: another version pinned it; `remove` clears the way.
    """
    try:
        _engine.check(pins_path(run_dir))
    except _engine.Incompatible as error:
        raise Incompatible(str(error)) from error


def remove(run_dir: Path, *, tap: str = DETOUR_TAP) -> None:
    """Remove pins and interfaces of any version, with whatever is attached. Idempotent.

    For what `KernelDatapath.open` calls incompatible; `KernelDatapath.destroy` ends with it.
    """
    pins = pins_path(run_dir)
    if mounts.is_bpffs(pins):
        for ifindex in clsact.claimed(pins):
            clsact.release(pins, ifindex)
    clsact.sweep()
    for name in (tap, links.PROBE_SEND):
        links.remove(name, str(run_dir.resolve()))
    mounts.unmount_bpffs(pins)


def _hooks(kernel: _engine.Kernel, attachment: int) -> tuple[str, str]:
    """The tc hooks of what the workload sends and receives."""
    facing = _FACINGS[kernel.bindings.read(attachment)["facing"]]
    return _HOOKS[facing][0][1], _HOOKS[facing][1][1]


def _not_attached(attachment: int) -> NotAttached:
    return NotAttached(f"no attachment {attachment}; attach its interface first")


def _link(attachment: int, direction: int) -> str:
    return f"{attachment}_{Direction(direction).name.lower()}"


def _closed(*_: int) -> int:
    raise NotAttached("this data path is closed; open it again")
