"""Switch personas under load and judge from the packets alone whether any was torn, lost or reordered.

Each persona of the rotation leaves marks of both its halves on every packet: a DSCP (the kernel's half), a
number of copies and a least delay (the engine's half). A packet that shows one persona's DSCP
with another's copies or too short a delay is torn.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lab.traffic import Records, delays_ms, missing, reordered
from netpersona.datapath import KernelDatapath


@dataclass(frozen=True)
class Marks:
    """What every packet under one persona must show."""

    dscp: int
    copies: int
    least_delay_ms: float


@dataclass(frozen=True)
class Verdict:
    """What one stream of packets shows."""

    packets: int
    torn: int
    lost: int
    reordered: int
    seen: Mapping[int, int]  # packets by DSCP

    @property
    def holds(self) -> bool:
        return self.torn == 0 and self.lost == 0 and self.reordered == 0


#: The rotation: conditions with copies, conditions without, and a persona that never leaves the kernel.
ROTATION: Sequence[tuple[Mapping[str, Any], Marks]] = (
    (
        {
            "persona_id": "stress-twice",
            "dscp": 10,
            "egress": {"latency": "2ms", "duplicate": "100%"},
            "ingress": {"latency": "2ms", "duplicate": "100%"},
        },
        Marks(dscp=10, copies=2, least_delay_ms=2.0),
    ),
    (
        {
            "persona_id": "stress-once",
            "dscp": 20,
            "egress": {"latency": "500us"},
            "ingress": {"latency": "500us"},
        },
        Marks(dscp=20, copies=1, least_delay_ms=0.5),
    ),
    ({"persona_id": "stress-kernel", "dscp": 30}, Marks(dscp=30, copies=1, least_delay_ms=0.0)),
)


def verdict_of(records: Records, count: int, marks: Sequence[Marks]) -> Verdict:
    """Of a stream of ``count`` datagrams sent while the personas with ``marks`` took turns."""
    by_dscp = {mark.dscp: mark for mark in marks}
    dscp = (records["tos"] >> 2).astype(int)
    delay = delays_ms(records)
    order = np.argsort(records["sequence"], kind="stable")
    numbers, begins, copies = np.unique(records["sequence"][order], return_index=True, return_counts=True)
    torn = 0
    for begin, copy_count in zip(begins, copies, strict=True):
        rows = order[begin : begin + copy_count]
        mark = by_dscp.get(int(dscp[rows[0]]))
        whole = (
            mark is not None
            and bool(np.all(dscp[rows] == mark.dscp))
            and copy_count == mark.copies
            and bool(np.all(delay[rows] >= mark.least_delay_ms))
        )
        torn += not whole
    kinds, totals = np.unique(dscp, return_counts=True)
    return Verdict(
        packets=len(numbers),
        torn=torn,
        lost=missing(records, count),
        reordered=reordered(records),
        seen=dict(zip(kinds.tolist(), totals.tolist(), strict=True)),
    )


def flip(
    datapath: KernelDatapath, attachment: int, slots: Sequence[int], switches: int, *, during_s: float
) -> list[int]:
    """Switch through ``slots`` in turn, evenly spread over ``during_s``; nanoseconds that each call took."""
    took = []
    start_s = time.monotonic()
    for number in range(switches):
        begin = time.perf_counter_ns()
        datapath.switch(attachment, slots[(number + 1) % len(slots)])
        took.append(time.perf_counter_ns() - begin)
        wait_s = start_s + (number + 1) / switches * during_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
    return took
