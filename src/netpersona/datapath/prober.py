"""Probes: frames injected at an attachment, captured where they would leave it.

A probe takes the whole way that a packet of the workload takes, but never reaches workload or network.
All profiles and filtering rules let it pass.
"""

from __future__ import annotations

import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from netpersona import _engine
from netpersona.datapath.errors import refusals
from netpersona.datapath.kernel import pins_path
from netpersona.datapath.links import PROBE_SEND
from netpersona.datapath.types import Direction

MIN_LENGTH = 128
"""Bytes of frame: `NP_PROBE_HEAD` of bpf/layout.h. This much of a captured probe can be compared."""

_ETHERTYPE = 0x88B6
_SETTLE_STEP_MS = 20
_MACS = bytes.fromhex("02004e500001 02004e500002")
_TARGET = struct.Struct("!HBx")  # struct np_probe_target of bpf/probe.h
_IDENTITY = struct.Struct("!QI")
_COPIES = 3
"""The identity is in a probe three times, so that one corrupted bit does not hide which it was."""


@dataclass(frozen=True)
class Probe:
    """One probe's fate. Times are CLOCK_MONOTONIC; `captured_ns` has an entry for every copy."""

    sequence: int
    sent_ns: int
    captured_ns: tuple[int, ...]
    corrupted: bool
    length: int


@dataclass
class _Fate:
    frame: bytes
    sent_ns: int = 0
    captured_ns: list[int] = field(default_factory=list)
    corrupted: bool = False


class Prober:
    """Sends probes and collects what became of them. One at a time on a host: they share a ring buffer."""

    def __init__(self, run_dir: Path) -> None:
        self._pins = pins_path(run_dir)

    def __call__(
        self,
        attachment: int,
        direction: str,
        *,
        count: int,
        interval_ns: int,
        length: int = MIN_LENGTH,
        settle_ns: int,
    ) -> Sequence[Probe]:
        """Send `count` probes of `length` bytes (Ethernet header included), one every `interval_ns`.

        Blocks until `settle_ns` after the last. `direction` is `egress` or `ingress`.

        Raises:
            ValueError: `length` below MIN_LENGTH.
            DatapathError: the probe interface or ring buffer is not there.
        """
        if length < MIN_LENGTH:
            raise ValueError(f"probes are at least {MIN_LENGTH} bytes, not {length}")
        nonce = random.SystemRandom().getrandbits(64)
        way = Direction[direction.upper()]
        fates = [_Fate(_frame(attachment, way, nonce, number, length)) for number in range(count)]
        with refusals("send probes"):
            captures = _engine.Probes(self._pins)
            captures.read(0)  # what an abandoned prober left
            _send(fates, interval_ns)
            _collect(captures, nonce, fates, settle_ns)
        return [
            Probe(number, fate.sent_ns, tuple(fate.captured_ns), fate.corrupted, length)
            for number, fate in enumerate(fates)
        ]


def _frame(attachment: int, direction: Direction, nonce: int, sequence: int, length: int) -> bytes:
    target = _TARGET.pack(attachment, direction)
    identity = _IDENTITY.pack(nonce, sequence) * _COPIES
    return (_MACS + _ETHERTYPE.to_bytes(2, "big") + target + identity).ljust(length, b"\x55")


def _send(fates: Sequence[_Fate], interval_ns: int) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((PROBE_SEND, 0))
        start = _engine.now_ns()
        for number, fate in enumerate(fates):
            early = start + number * interval_ns - _engine.now_ns()
            if early > 0:
                time.sleep(early / 1e9)
            fate.sent_ns = _engine.now_ns()
            wire.send(fate.frame)


def _collect(captures: _engine.Probes, nonce: int, fates: Sequence[_Fate], settle_ns: int) -> None:
    deadline = _engine.now_ns() + settle_ns
    last = False
    while not last:
        last = _engine.now_ns() >= deadline
        for captured_ns, _, _, _, _, head in captures.read(0 if last else _SETTLE_STEP_MS):
            _note(nonce, fates, captured_ns, head)


def _note(nonce: int, fates: Sequence[_Fate], captured_ns: int, head: bytes) -> None:
    sequence = identify(head, nonce)
    if sequence is not None and sequence < len(fates):
        fate = fates[sequence]
        fate.captured_ns.append(captured_ns)
        fate.corrupted |= fate.frame[: len(head)] != head


def identify(head: bytes, nonce: int) -> int | None:
    """The sequence number that most copies in a captured probe agree on, None if it is not one of `nonce`."""
    start = len(_MACS) + 2 + _TARGET.size
    copies = Counter(_IDENTITY.unpack_from(head, start + copy * _IDENTITY.size) for copy in range(_COPIES))
    (found, sequence), votes = copies.most_common(1)[0]
    return sequence if found == nonce and votes > 1 else None
