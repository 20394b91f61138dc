"""Sends probes through an attachment, by the data path's prober."""

from __future__ import annotations

from collections.abc import Sequence

from netpersona.agent.judge import Probe
from netpersona.datapath import DatapathError


def send_probes(
    attachment: int, direction: str, *, count: int, interval_ns: int, length: int, settle_ns: int
) -> Sequence[Probe]:
    """See `SendProbes`. Raises DatapathError: the data path has no prober yet."""
    del attachment, direction, count, interval_ns, length, settle_ns
    raise DatapathError("this version cannot send probes yet; measure with the demo instead")
