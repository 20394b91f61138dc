"""Rates under loads that go on, in stretches that take turns: each is held against those around it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TextIO

from lab.namespaces import Workload


@dataclass(frozen=True)
class Rates:
    """What an interface received a second, over one stretch; TCP segments that were sent again in it."""

    octets: float
    packets: float
    again: int = 0


@dataclass(frozen=True)
class Ratios:
    """Each stretch of one kind over the mean of its neighbours of the other kind."""

    ratios: list[float]
    bare: float

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def within(self) -> tuple[float, float]:
        return median_within(self.ratios)

    @property
    def spread(self) -> str:
        lower, _, upper = statistics.quantiles(self.ratios, n=4)
        low, high = self.within
        return (
            f"median within {low:.3f} to {high:.3f}, "
            f"half of {len(self.ratios)} pairs {lower:.3f} to {upper:.3f}"
        )


class Meter:
    """What an interface received, and what its namespace sent again, from inside it."""

    def __init__(self, workload: Workload, sender: Workload | None = None) -> None:
        self._interface = f"{workload.interface}:"
        self._received = _inside(workload, "dev")
        self._sent_again = _inside(sender or workload, "snmp")

    def rates(self, stretch_s: float) -> Rates:
        """Of one stretch from now on."""
        again, before = self._again(), self._read()
        time.sleep(stretch_s)
        after = self._read()
        seconds = after[0] - before[0]
        octets, packets = ((after[i] - before[i]) / seconds for i in (1, 2))
        return Rates(octets, packets, self._again() - again)

    def _read(self) -> tuple[float, int, int]:
        self._received.seek(0)
        line = next(line for line in self._received if self._interface in line)
        octets, packets = line.split(":")[1].split()[:2]
        return time.monotonic(), int(octets), int(packets)

    def _again(self) -> int:
        self._sent_again.seek(0)
        names, values = (line.split() for line in self._sent_again if line.startswith("Tcp:"))
        return int(values[names.index("RetransSegs")])


def _inside(workload: Workload, name: str) -> TextIO:
    return workload.namespace.call(Path("/proc/thread-self/net", name).open)


def ratios(rates: Sequence[float]) -> Ratios:
    """Of rates in turn bare and not, bare first and last."""
    bare, other = rates[::2], rates[1::2]
    around = [(before + after) / 2 for before, after in pairwise(bare)]
    quotients = [one / neighbours for one, neighbours in zip(other, around, strict=True)]
    return Ratios(quotients, statistics.median(bare))


def joined(runs: Sequence[Ratios]) -> Ratios:
    """Of several runs as of one."""
    return Ratios(
        [ratio for run in runs for ratio in run.ratios], statistics.median(run.bare for run in runs)
    )


def take_turns(bare: Callable[[], Rates], other: Callable[[], Rates], pairs: int) -> list[Rates]:
    """Bare, other, bare, and so on, and bare at the end."""
    return [rates for _ in range(pairs) for rates in (bare(), other())] + [bare()]


def median_within(values: Sequence[float]) -> tuple[float, float]:
    """Between which of the values the true median lies, 19 times of 20 (by the binomial distribution of their
    ranks), if what differs between them is chance."""
    ordered, half = sorted(values), 0.98 * math.sqrt(len(values))
    first = max(math.floor(len(values) / 2 - half), 0)
    return ordered[first], ordered[len(values) - 1 - first]
