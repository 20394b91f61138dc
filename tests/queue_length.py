"""A driver, whole: interfaces of workloads that wear a persona have a short queue. And its fake.

`docs/extending.md` walks through it. Nothing of the product uses it.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from netpersona.datapath import Change, EndpointMissing, Target, Wanted
from netpersona.datapath.errors import refusals

USUAL, SHORT = 1000, 100
_GET, _SET = 0x8942, 0x8943  # SIOCGIFTXQLEN, SIOCSIFTXQLEN: netdevice(7)
_REQUEST = struct.Struct("16si20x")


@dataclass(frozen=True)
class SetLength(Change):
    """Give an interface another `txqueuelen`, in packets."""

    packets: int


class QueueLength:
    name = "queue length"
    instant = False

    def probe(self) -> dict[str, int]:
        return {"usual": USUAL, "short": SHORT}

    def scope(self, wanted: Wanted) -> None:
        """All interfaces: there are few."""
        del wanted

    def concerns(self, target: Target) -> bool:
        del target
        return True

    def observe(self, only: Collection[int] | None = None) -> Mapping[int, int]:
        lengths = self._read()
        return {ifindex: lengths[ifindex] for ifindex in lengths if only is None or ifindex in only}

    def plan(self, current: Mapping[int, int], wanted: Wanted) -> Sequence[SetLength]:
        changes = [
            SetLength(ifindex, None, USUAL, label="reinit")
            for ifindex, length in current.items()
            if wanted.gives_up(ifindex) and length == SHORT
        ]
        for target in wanted.targets.values():
            if target.assigned is not None:
                length = SHORT if target.assigned.persona else USUAL
                if current.get(target.ifindex) != length:
                    changes.append(SetLength(target.ifindex, target.workload_id, length, label="reinit"))
        return changes

    def apply(self, change: SetLength) -> None:
        with refusals(f"set the queue length of interface {change.ifindex}"):
            _ask(_SET, socket.if_indextoname(change.ifindex), change.packets)

    def _read(self) -> dict[int, int]:
        with refusals("read queue lengths"):
            return {ifindex: _ask(_GET, name) for ifindex, name in socket.if_nameindex()}


def _ask(question: int, interface: str, packets: int = 0) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, question, _REQUEST.pack(interface.encode(), packets))
    return int(_REQUEST.unpack(answer)[1])


class FakeQueueLength(QueueLength):
    """In memory. `refuse` is raised by every change of the interfaces in `refused`."""

    def __init__(self, lengths: dict[int, int]) -> None:
        self.lengths = lengths
        self.refused: dict[int, Exception] = {}

    def apply(self, change: SetLength) -> None:
        if change.ifindex not in self.lengths:
            raise EndpointMissing(f"no interface {change.ifindex}; `ip link` lists those there are")
        if change.ifindex in self.refused:
            raise self.refused[change.ifindex]
        self.lengths[change.ifindex] = change.packets

    def _read(self) -> dict[int, int]:
        return dict(self.lengths)
