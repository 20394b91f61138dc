"""Asks the probes of assignments that wait to be confirmed, and takes back those that fail.

Three answers in a row are told to the manager, which confirms; three failures in a row put the fallback in
force at once, whether a manager is there or not, and are told then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import structlog

from netpersona.agent.desired import Workload
from netpersona.agent.places import Found
from netpersona.agent.status import WorkloadState
from netpersona.agent.targets import Moment
from netpersona.datapath import Endpoint
from netpersona.kinds.probe import FAILURES, PASSES, Probe, parse_probe

EVERY_S = 1.0
AT_ONCE = 32
"""Probes that are asked at the same time."""

_log = structlog.get_logger(__name__)

Ask = Callable[[Workload, Endpoint, Probe], str]
"""Asks once and blocks; "" where it answered, else why not."""


@dataclass(frozen=True)
class Report:
    """As `ProbeReport` of the status has it."""

    sequence: int
    passed: int = 0
    failed: int = 0
    message: str = ""

    def after(self, problem: str) -> Report:
        if problem:
            return Report(self.sequence, 0, self.failed + 1, problem[:500])
        return Report(self.sequence, self.passed + 1)

    @property
    def verdict(self) -> Literal["passed", "failed"] | None:
        if self.passed >= PASSES:
            return "passed"
        return "failed" if self.failed >= FAILURES else None

    def document(self) -> dict[str, Any]:
        return {**vars(self), "verdict": self.verdict}


class Confirming:
    """A task for each assignment with a probe that is in force. All methods run on one event loop."""

    def __init__(
        self,
        states: Mapping[str, WorkloadState],
        ask: Ask,
        moment: Callable[[], Moment],
        give_up: Callable[[str, int], None],
        changed: Callable[[str], None],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        """`give_up` puts the fallback of a workload's sequence in force; `changed` is told of news."""
        self._states, self._ask, self._moment = states, ask, moment
        self._give_up, self._changed, self._every_s = give_up, changed, every_s
        self._reports: dict[str, Report] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="probe")

    def look(self, workload_id: str) -> None:
        """Something of a workload changed; what is not to be probed costs a look."""
        state = self._states.get(workload_id)
        probe = self._wanted(state) if state else None
        if state is None or probe is None or workload_id in self._tasks:
            return
        report = self._reports.get(workload_id)
        if report is not None and report.sequence == state.workload.sequence:
            return  # it has its verdict
        task = asyncio.get_running_loop().create_task(self._run(workload_id, state.workload.sequence, probe))
        self._tasks[workload_id] = task
        task.add_done_callback(lambda _: self._ended(workload_id))

    def report(self, workload_id: str) -> dict[str, Any] | None:
        """For the status of what the workload is assigned now."""
        report, state = self._reports.get(workload_id), self._states.get(workload_id)
        if report is None:
            return None
        if state is None or state.workload.sequence != report.sequence:
            del self._reports[workload_id]
            return None
        return report.document()

    def close(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _wanted(self, state: WorkloadState) -> str | None:
        """The probe of what is in force and has not ended."""
        assignment, target = state.workload.assignment, state.target
        if assignment is None or assignment.probe is None or target is None or target.assigned is None:
            return None
        is_applied = state.applied_sequence == state.workload.sequence and isinstance(state.place, Found)
        lives = target.assigned.expires_ns > self._moment().monotonic_ns
        return assignment.probe if is_applied and lives else None

    async def _run(self, workload_id: str, sequence: int, text: str) -> None:
        loop, report, probe = asyncio.get_running_loop(), Report(sequence), parse_probe(text)
        while (state := self._states.get(workload_id)) and isinstance(state.place, Found):
            due = loop.time() + self._every_s
            ask = partial(self._ask, state.workload, state.place.endpoint, probe)
            problem = await loop.run_in_executor(self._threads, ask)
            if state.workload.sequence != sequence or self._wanted(state) is None:
                return  # it was confirmed, replaced, or has ended
            self._reports[workload_id] = report = report.after(problem)
            if report.verdict == "failed":
                _log.warning("a probe failed; going back", workload=workload_id, probe=text, reason=problem)
                self._give_up(workload_id, sequence)
            self._changed(workload_id)
            if report.verdict:
                return
            await asyncio.sleep(due - loop.time())

    def _ended(self, workload_id: str) -> None:
        del self._tasks[workload_id]
        self.look(workload_id)
