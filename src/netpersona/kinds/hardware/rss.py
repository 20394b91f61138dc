"""Receive-side scaling: the table that spreads flows over receive queues (`ethtool -X`)."""

from __future__ import annotations

from collections.abc import Sequence

from netpersona.kinds.hardware.asked import Value


def weights(name: str, value: Value) -> list[int]:
    """A weight for each queue: of `equal` N, and of `weights` "6 2"."""
    return [1] * int(value or 0) if name == "equal" else [int(word) for word in str(value).split()]


def table(spread: Sequence[int], entries: int) -> str:
    """The table as text. Weights get their share of entries in blocks, as ethtool(8) deals them out."""
    if len(set(spread)) == 1:
        return text([entry % len(spread) for entry in range(entries)])
    total, queue, filled, found = sum(spread), -1, 0, []
    for entry in range(entries):
        while entry >= filled:
            queue += 1
            filled = entries * sum(spread[: queue + 1]) // total
        found.append(queue)
    return text(found)


def text(entries: Sequence[int]) -> str:
    """Short where queues take turns, as they nearly always do."""
    count = max(entries, default=0) + 1
    if all(queue == entry % count for entry, queue in enumerate(entries)):
        return f"equal {count}"
    return " ".join(map(str, entries))


def entries_of(shown: str, size: int) -> list[int]:
    """The reverse of `text`."""
    if shown.startswith("equal "):
        return [entry % int(shown[6:]) for entry in range(size)]
    return [int(word) for word in shown.split()]
