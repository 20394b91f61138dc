"""What agents measured of workloads. Kept in memory, like every observation."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

from netpersona.control.clock import Clock
from netpersona.kinds.measured import HISTORY, Measured, MeasuredReport, Sample, received
from netpersona.kinds.traffic import measured_between
from netpersona.kinds.workload import StatusReport

SLACK_S: Final = 0.001
"""By how much a sample may seem to end before the one behind which it came: ages are told in requests."""


class Measurements:
    """A bounded history of each workload, on this manager's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._histories: dict[str, deque[Sample]] = {}
        self._told: set[str] = set()

    def take(self, workload_id: str, report: MeasuredReport) -> bool:
        """False if this continues what is not known here: then the agent says all of it again."""
        self._told.add(workload_id)
        history = self._histories.get(workload_id)
        if report.anew or history is None:
            history = self._histories[workload_id] = deque(maxlen=HISTORY)
        now_s = self._now_s()
        history.extend(received(measured, now_s) for measured in report.samples)
        return report.anew or len(history) > len(report.samples)

    def reported(
        self, workload_id: str, before: StatusReport | None, status: StatusReport, *, adapts: bool
    ) -> None:
        """From a status, of an agent that tells no samples: what it says was measured; else, of a workload
        that adapts, what its counters say since.
        """
        if workload_id in self._told:
            return
        measured = status.measured
        if measured is None and adapts and before is not None:
            found = measured_between(before.model_dump(), status.model_dump())
            measured = Measured.model_validate(found) if found else None
        if measured is not None:
            history = self._histories.setdefault(workload_id, deque(maxlen=HISTORY))
            history.append(received(measured, self._now_s()))

    def newest(self, workload_id: str) -> Sample | None:
        history = self._histories.get(workload_id)
        return history[-1] if history else None

    def history(self, workload_id: str, since_s: float = float("-inf")) -> Sequence[Sample]:
        """Samples that end after `since_s` (seconds since the epoch), oldest first."""
        return [sample for sample in self._histories.get(workload_id, ()) if sample.at_s > since_s + SLACK_S]

    def measured(self, workload_id: str) -> Measured | None:
        """The newest, however old: `age_s` says it."""
        newest = self.newest(workload_id)
        return self.aged(newest) if newest else None

    def all(self) -> Mapping[str, Measured]:
        """The newest of each workload."""
        return {name: self.aged(history[-1]) for name, history in self._histories.items() if history}

    def aged(self, sample: Sample) -> Measured:
        """A sample with the age that it has now."""
        return sample.measured.model_copy(update={"age_s": max(0.0, self._now_s() - sample.at_s)})

    def forget(self, workload_id: str) -> None:
        self._histories.pop(workload_id, None)
        self._told.discard(workload_id)

    def _now_s(self) -> float:
        return self._clock().timestamp()
