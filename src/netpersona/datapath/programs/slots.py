"""Which slot holds which compiled persona, and when a slot may be written again. Pure.

A slot is free to be written when no binding refers to it, has not for a second, and the engine has
settled every packet that was on its way when that was first seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass

from netpersona.datapath.errors import SlotsFull

QUARANTINE_NS = 1_000_000_000
WATERMARK = 256
"""With fewer slots never used than this, looking for slots to reuse starts, so that their quarantine
is over when they are needed."""
LOOK_EVERY = 128
"""Slots taken between two looks: each reads every binding and lane, milliseconds for a thousand workloads."""

UNKNOWN = "?"
"""Stands for the digest of a slot that somebody else has written."""

Lane = tuple[int, int]
"""The life of an attachment, and a direction."""


@dataclass(frozen=True)
class Traffic:
    """What refers to slots at one moment: bindings, and packets on their way through the engine.

    A lane that `sent` and `settled` do not name has settled everything.
    """

    now_ns: int
    bound: Set[int]
    sent: Mapping[Lane, int]
    settled: Mapping[Lane, int]


@dataclass(frozen=True)
class _Loose:
    """A slot that nothing was bound to at `since_ns`."""

    since_ns: int
    under_way: Mapping[Lane, int]

    def is_over(self, traffic: Traffic) -> bool:
        return traffic.now_ns - self.since_ns >= QUARANTINE_NS and all(
            traffic.settled.get(lane, sent) >= sent for lane, sent in self.under_way.items()
        )


class SlotTable:
    """Slots 1 … capacity - 1; slot 0 is the null persona."""

    def __init__(self, capacity: int, look: Callable[[], Traffic]) -> None:
        self._look = look
        self._unused = list(range(capacity - 1, 0, -1))
        self._slots: dict[str, int] = {}
        self._digests: dict[int, str] = {}
        self._loose: dict[int, _Loose] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def adopt(self, slot: int, digest: str) -> None:
        """What an agent before this one wrote."""
        self._unused.remove(slot)
        self._note(slot, digest)

    def find(self, digest: str) -> int | None:
        """The slot of a digest. It counts as just installed: its quarantine starts anew."""
        slot = self._slots.get(digest)
        if slot is not None:
            self._loose.pop(slot, None)
        return slot

    def digest(self, slot: int) -> str:
        """`UNKNOWN` where nothing is known to have been written."""
        return self._digests.get(slot, UNKNOWN)

    def take(self, digest: str) -> int:
        """A slot to write `digest` into.

        Raises:
            SlotsFull: all slots are bound, or were until a moment ago.
        """
        if len(self._unused) < WATERMARK and len(self._unused) % LOOK_EVERY == 0:
            self._collect()
        if not self._unused:
            raise SlotsFull(
                f"all {len(self._slots)} slots hold personas in use or in use until a moment ago "
                f"(bound {SlotsFull.bound}); try again in a second, or give workloads fewer different ones"
            )
        slot = self._unused.pop()
        self._note(slot, digest)
        return slot

    def _note(self, slot: int, digest: str) -> None:
        self._slots[digest] = slot
        self._digests[slot] = digest

    def _collect(self) -> None:
        traffic = self._look()
        under_way = _under_way(traffic)
        for slot in list(self._digests):
            if slot in traffic.bound:
                self._loose.pop(slot, None)
            elif slot not in self._loose:
                self._loose[slot] = _Loose(traffic.now_ns, under_way)
            elif self._loose[slot].is_over(traffic):
                self._free(slot)

    def _free(self, slot: int) -> None:
        del self._loose[slot]
        del self._slots[self._digests.pop(slot)]
        self._unused.insert(0, slot)


def _under_way(traffic: Traffic) -> dict[Lane, int]:
    return {lane: sent for lane, sent in traffic.sent.items() if traffic.settled[lane] != sent}
