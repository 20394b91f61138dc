"""Measured conditions of all attachments, from the counts of kernel programs and engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from netpersona import _engine
from netpersona.datapath.errors import refusals
from netpersona.datapath.programs.kernel import pins_path
from netpersona.datapath.programs.movements import measured
from netpersona.kinds.measured import Measured

LONGEST_S = 3600.0
"""Of an interval; what is longer is measured anew."""


@dataclass(frozen=True)
class Moved:
    """An attachment with packets in the interval. Its number is given again, its `life` is not."""

    ifindex: int
    attachment: int
    life: int
    measured: Measured


class Meter:
    """Each call of `read` ends an interval and begins the next."""

    def __init__(self, run_dir: Path) -> None:
        """Raises DatapathError."""
        with refusals("read what is measured"):
            self._meter = _engine.Meter(pins_path(run_dir))

    def read(self) -> Sequence[Moved]:
        """Where packets were counted since the last call; what was not there then is left out.

        Waits for the kernel without the GIL, two calls an attachment. Raises DatapathError.
        """
        with refusals("read what is measured"):
            interval_ns, moved = self._meter.read()
        interval_s = interval_ns / 1e9
        if not 0 < interval_s <= LONGEST_S:
            return ()
        return [
            Moved(ifindex, attachment, life, measured(egress, ingress, interval_s))
            for ifindex, attachment, life, egress, ingress in moved
        ]
