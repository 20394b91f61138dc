"""Measured conditions of workloads, as agents report them. Kept in memory, like every observation."""

from __future__ import annotations

from netpersona.control.clock import Clock
from netpersona.kinds.measured import Measured, Sample, received
from netpersona.kinds.traffic import measured_between
from netpersona.kinds.workload import StatusReport


class Measurements:
    """The newest sample of each workload."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._newest: dict[str, Sample] = {}

    def put(self, workload_id: str, measured: Measured) -> None:
        self._newest[workload_id] = received(measured, self._clock().timestamp())

    def reported(
        self, workload_id: str, before: StatusReport | None, status: StatusReport, *, adapts: bool
    ) -> None:
        """From a status: what it says was measured; else, of one that adapts, what its counters say since."""
        measured = status.measured
        if measured is None and adapts and before is not None:
            found = measured_between(before.model_dump(), status.model_dump())
            measured = Measured.model_validate(found) if found else None
        if measured is not None:
            self.put(workload_id, measured)

    def newest(self, workload_id: str) -> Sample | None:
        return self._newest.get(workload_id)

    def forget(self, workload_id: str) -> None:
        self._newest.pop(workload_id, None)
