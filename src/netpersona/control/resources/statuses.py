"""What agents report. Kept in memory: it is an observation, repeated by the agent, and no wish to keep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from netpersona.kinds.measured import Measured
from netpersona.kinds.workload import StatusReport as Status


class Statuses:
    """The last report for each workload, and who waits for the next one."""

    def __init__(self, measured: Callable[[str], Measured | None] = lambda _: None) -> None:
        """`measured` is the newest of a workload, which is told with its status."""
        self._measured = measured
        self._last: dict[str, Status] = {}
        self._waiting: dict[str, set[asyncio.Future[Status | None]]] = {}
        self._closed = False

    def get(self, workload_id: str) -> Status | None:
        status, measured = self._last.get(workload_id), self._measured(workload_id)
        return status.model_copy(update={"measured": measured}) if status and measured else status

    def count(self) -> int:
        return len(self._last)

    def put(self, workload_id: str, status: Status) -> None:
        """What is left out of a report because it changes rarely is as it was before."""
        before = self._last.get(workload_id)
        if status.hardware is None and before is not None and before.hardware is not None:
            status = status.model_copy(update={"hardware": before.hardware})
        self._last[workload_id] = status
        self._wake(workload_id, status)

    def forget(self, workload_id: str) -> None:
        self._last.pop(workload_id, None)
        self._wake(workload_id, None)

    def close(self) -> None:
        """Nobody waits any longer."""
        self._closed = True
        for workload_id in tuple(self._waiting):
            self._wake(workload_id, None)

    async def applied(self, workload_id: str, sequence: int, patience_s: float) -> bool:
        """Whether the agent reports ``sequence`` (or a later one) applied within ``patience_s``.

        A report that the workload cannot be attached ends the wait early.
        """
        try:
            async with asyncio.timeout(patience_s):
                while not self._has(workload_id, sequence):
                    status = await self._next(workload_id)
                    if status is None or status.phase != "attached":
                        break
        except TimeoutError:
            pass
        return self._has(workload_id, sequence)

    def _has(self, workload_id: str, sequence: int) -> bool:
        status = self._last.get(workload_id)
        return status is not None and status.applied_sequence >= sequence

    async def _next(self, workload_id: str) -> Status | None:
        if self._closed:
            return None
        future: asyncio.Future[Status | None] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(workload_id, set())
        waiting.add(future)
        try:
            return await future
        finally:
            waiting.discard(future)
            if not waiting:
                self._waiting.pop(workload_id, None)

    def _wake(self, workload_id: str, status: Status | None) -> None:
        for future in tuple(self._waiting.get(workload_id, ())):
            if not future.done():
                future.set_result(status)
