"""Probes: frames injected at an attachment, captured where they would leave it.

A probe takes the whole way that a packet of the workload takes, but never reaches workload or network,
and counts as nobody's packet. All profiles and filtering rules let it pass.
"""

from __future__ import annotations

import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from heapq import merge
from pathlib import Path

from netpersona import _engine
from netpersona.datapath.errors import refusals
from netpersona.datapath.links import PROBE_SEND
from netpersona.datapath.programs.kernel import pins_path
from netpersona.datapath.programs.probes import MIN_LENGTH, Opened, Probe, Train
from netpersona.datapath.types import Counters, Direction, Tally

_ETHERTYPE = 0x88B6
_READ_MS = 20
_READ_EVERY = 64
"""Probes sent back to back between two looks at the ring buffer, which holds thousands."""
_CATCH_UP_NS = 1_000_000
_MACS = bytes.fromhex("02004e500001 02004e500002")
_TARGET = struct.Struct("!HBB")  # struct np_probe_target of bpf/probe.h
_IDENTITY = struct.Struct("!QI")
_LINK, _OPENING = 1, 2
"""Kinds of probe: `enum np_probe` of bpf/view.h."""
_PACKET_AT = 54
"""Where an opening carries its packet: `NP_PROBE_PACKET` of bpf/probe.h, behind the identity."""
_REASONS = tuple(field.name for field in fields(Counters) if field.type in (Tally, "Tally"))
"""`enum np_reason` of bpf/view.h is in the order of the counters."""
_ANSWER_NS = 1_000_000_000
"""How long the answer to an opening may take: it needs no engine."""
_NO_QUEUE = 255
_COPIES = 3
"""The identity is in a probe three times, so that one corrupted bit does not hide which it was."""


@dataclass
class _Fate:
    direction: str
    sequence: int
    frame: bytes
    sent_ns: int = 0
    captured_ns: list[int] = field(default_factory=list)
    corrupted: bool = False

    def probe(self) -> Probe:
        times = tuple(sorted(self.captured_ns))
        return Probe(self.sequence, self.sent_ns, times, self.corrupted, len(self.frame))


class Prober:
    """Sends probes and collects what became of them. One at a time on a host: they share a ring buffer."""

    def __init__(self, run_dir: Path) -> None:
        self._pins = pins_path(run_dir)

    def __call__(
        self,
        attachment: int,
        trains: Sequence[Train],
        *,
        settle_ns: int,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Mapping[str, Sequence[Probe]]:
        """Send the trains, each of another direction, at the same time; what was sent, by direction.

        Blocks until `settle_ns` after the last, or until `stopped` says so: that is asked at least
        every 20 ms. A train that falls behind by more than 1 ms is not hurried after: it ends later.

        Raises:
            ValueError: a length below MIN_LENGTH.
            DatapathError: the probe interface or ring buffer is not there.
        """
        if any(train.length < MIN_LENGTH for train in trains):
            raise ValueError(f"probes are at least {MIN_LENGTH} bytes")
        with refusals("send probes"):
            flight = _Flight(_engine.Probes(self._pins), attachment, trains, stopped)
            flight.send()
            flight.wait_until(_engine.now_ns() + settle_ns)
        sent = [fate for fate in flight.fates if fate.sent_ns]
        return {
            train.direction: [fate.probe() for fate in sent if fate.direction == train.direction]
            for train in trains
        }

    def verdicts(
        self,
        attachment: int,
        packets: Sequence[tuple[str, bytes]],
        *,
        stopped: Callable[[], bool] = lambda: False,
    ) -> Sequence[Opened | None]:
        """What would become of IP packets as the first of their flows, each in a direction.

        They travel as quotes in probes: the kernel programs judge them as they do a packet, but none gets
        anywhere and no flow is tracked. None: no answer came.

        Raises:
            ValueError: a packet too long to quote.
            DatapathError: the probe interface or ring buffer is not there.
        """
        nonce = random.SystemRandom().getrandbits(64)
        frames = [
            _opening(attachment, Direction[direction.upper()], nonce, number, packet)
            for number, (direction, packet) in enumerate(packets)
        ]
        found: dict[int, Opened] = {}
        with refusals("send probes"), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind((PROBE_SEND, 0))
            captures = _engine.Probes(self._pins)
            captures.read(0)
            for frame in frames:
                wire.send(frame)
            deadline_ns = _engine.now_ns() + _ANSWER_NS
            while len(found) < len(frames) and _engine.now_ns() < deadline_ns and not stopped():
                for _, _, _, _, verdict, head in captures.read(_READ_MS):
                    number = identify(head, nonce)
                    if number is not None:
                        found[number] = _opened(verdict)
        return [found.get(number) for number in range(len(frames))]


class _Flight:
    """Probes under way, and the ring buffer that they come back by."""

    def __init__(
        self,
        captures: _engine.Probes,
        attachment: int,
        trains: Sequence[Train],
        stopped: Callable[[], bool],
    ) -> None:
        self._captures = captures
        self._stopped = stopped
        self._nonce = random.SystemRandom().getrandbits(64)
        schedule = list(merge(*(_departures(train) for train in trains)))
        self._due_ns = [due_ns for due_ns, *_ in schedule]
        self.fates = [
            self._fate(attachment, number, direction, sequence, length)
            for number, (_, direction, sequence, length) in enumerate(schedule)
        ]
        captures.read(0)  # what an abandoned prober left

    def _fate(self, attachment: int, number: int, direction: str, sequence: int, length: int) -> _Fate:
        frame = _frame(attachment, Direction[direction.upper()], self._nonce, number, length)
        return _Fate(direction, sequence, frame)

    def send(self) -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind((PROBE_SEND, 0))
            start_ns, behind = _engine.now_ns(), 0
            for due_ns, fate in zip(self._due_ns, self.fates, strict=True):
                behind = self._wait_to_send(start_ns + due_ns, behind)
                if self._stopped():
                    return
                fate.sent_ns = _engine.now_ns()
                start_ns += max(0, fate.sent_ns - start_ns - due_ns - _CATCH_UP_NS)
                wire.send(fate.frame)

    def _wait_to_send(self, due_ns: int, behind: int) -> int:
        """How many probes in a row were due at once."""
        early_ns = due_ns - _engine.now_ns()
        if early_ns <= 0:
            if behind >= _READ_EVERY:
                self._read(0)
            return (behind + 1) % (_READ_EVERY + 1)
        self.wait_until(due_ns)
        return 0

    def wait_until(self, due_ns: int) -> None:
        """Reads what comes back, also if there is no time to wait."""
        while (early_ns := due_ns - _engine.now_ns()) > 2_000_000 and not self._stopped():
            self._read(min(early_ns // 1_000_000 - 1, _READ_MS))
        self._read(0)
        early_ns = due_ns - _engine.now_ns()
        if 0 < early_ns <= 2_000_000:
            time.sleep(early_ns / 1e9)

    def _read(self, timeout_ms: int) -> None:
        for captured_ns, _, _, _, _, head in self._captures.read(timeout_ms):
            number = identify(head, self._nonce)
            if number is not None and number < len(self.fates):
                fate = self.fates[number]
                fate.captured_ns.append(captured_ns)
                fate.corrupted |= fate.frame[: len(head)] != head


def _departures(train: Train) -> Iterator[tuple[int, str, int, int]]:
    """When each probe is due, its direction, its place in the train, and its length."""
    return (
        (sequence * train.interval_ns, train.direction, sequence, train.length)
        for sequence in range(train.count)
    )


def _frame(attachment: int, direction: Direction, nonce: int, number: int, length: int) -> bytes:
    return _head(attachment, direction, _LINK, nonce, number).ljust(length, b"\x55")


def _opening(attachment: int, direction: Direction, nonce: int, number: int, packet: bytes) -> bytes:
    frame = _head(attachment, direction, _OPENING, nonce, number) + packet
    if len(frame) > MIN_LENGTH:
        raise ValueError(f"a packet of {len(packet)} bytes is too long to quote")
    return frame.ljust(MIN_LENGTH, b"\0")


def _head(attachment: int, direction: Direction, kind: int, nonce: int, number: int) -> bytes:
    target = _TARGET.pack(attachment, direction, kind)
    head = _MACS + _ETHERTYPE.to_bytes(2, "big") + target + _IDENTITY.pack(nonce, number) * _COPIES
    assert len(head) == _PACKET_AT
    return head


def _opened(verdict: int) -> Opened:
    """`verdict` is np_verdict of bpf/judge.h."""
    reason, queue = verdict & 255, verdict >> 8 & 255
    name = _REASONS[reason] if reason < len(_REASONS) else str(reason)
    return Opened(name, None if queue == _NO_QUEUE else queue)


def identify(head: bytes, nonce: int) -> int | None:
    """The number that most copies in a captured probe agree on, None if it is not one of `nonce`."""
    start = len(_MACS) + 2 + _TARGET.size
    copies = Counter(_IDENTITY.unpack_from(head, start + copy * _IDENTITY.size) for copy in range(_COPIES))
    (found, number), votes = copies.most_common(1)[0]
    return number if found == nonce and votes > 1 else None
