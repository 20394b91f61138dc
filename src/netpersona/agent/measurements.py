"""What was measured of this host's workloads: a bounded history of each, and the way to the manager."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import structlog

from netpersona.agent.manager_client import Manager, ManagerRefused, ManagerUnreachable
from netpersona.datapath import DatapathError, Moved
from netpersona.kinds.measured import HISTORY, Measured

BATCH: Final = 32
"""Samples of one request. The manager takes them in some two milliseconds; a switch may have to wait."""

_log = structlog.get_logger(__name__)


class Reads(Protocol):
    """`Meter`, or a test's."""

    def read(self) -> Sequence[Moved]: ...


@dataclass
class _History:
    """Of one attachment's life, oldest first; the newest `untold` the manager was not told.

    `anew`: what it was told before is of another attachment, or forgotten.
    """

    of: tuple[int, int]
    samples: deque[tuple[float, Measured]] = field(default_factory=lambda: deque(maxlen=HISTORY))
    untold: int = 0
    anew: bool = True

    def add(self, at_s: float, measured: Measured) -> None:
        self.samples.append((at_s, measured))
        self.untold = min(self.untold + 1, HISTORY)


class Measurements:
    """All methods run on one event loop; `run` reads the meter in a thread of its own."""

    def __init__(
        self,
        meter: Reads,
        manager: Manager,
        host: str,
        workloads: Callable[[], Mapping[int, str]],
        now_s: Callable[[], float],
    ) -> None:
        """`workloads` are those attached, by ifindex; `now_s` is a clock that does not jump."""
        self._meter = meter
        self._manager = manager
        self._host = host
        self._workloads = workloads
        self._now_s = now_s
        self._histories: dict[str, _History] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="meter")

    def history(self, workload_id: str) -> Sequence[Measured]:
        """What is kept, oldest first, each with its age."""
        found = self._histories.get(workload_id)
        return [self._aged(*sample) for sample in found.samples] if found else []

    async def run(self, every_s: float) -> None:
        """Measure and tell, for ever."""
        while True:
            begun_s = self._now_s()
            await self.measure()
            await self.tell()
            await asyncio.sleep(max(0.0, begun_s + every_s - self._now_s()))

    def close(self) -> None:
        self._thread.shutdown(cancel_futures=True)

    async def measure(self) -> None:
        """End an interval. Workloads without a packet in it have nothing new."""
        try:
            moved = await asyncio.get_running_loop().run_in_executor(self._thread, self._meter.read)
        except DatapathError as error:
            _log.warning("cannot measure", error=str(error))
            return
        now_s, workloads = self._now_s(), self._workloads()
        for one in moved:
            if one.ifindex in workloads:
                self._add(workloads[one.ifindex], one, now_s)
        wanted = set(workloads.values())
        for gone in self._histories.keys() - wanted:
            del self._histories[gone]

    async def tell(self) -> None:
        """Send what the manager was not told. What cannot be sent now stays due."""
        while batch := dict(self._batch()):
            try:
                wanted = await self._manager.put_measured(self._host, batch)
            except ManagerUnreachable:
                return
            except ManagerRefused as error:
                _log.warning("the manager refused what was measured", error=str(error))
                wanted = ()
            for name, report in batch.items():
                self._told(name, len(report["samples"]), again=name in wanted)
            if wanted:
                return  # in the next interval

    def _add(self, workload_id: str, moved: Moved, now_s: float) -> None:
        of = (moved.attachment, moved.life)
        found = self._histories.get(workload_id)
        if found is None or found.of != of:
            found = self._histories[workload_id] = _History(of)
        found.add(now_s, moved.measured)

    def _batch(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        room = BATCH
        for name, history in self._histories.items():
            if room == 0:
                return
            if not history.untold:
                continue
            oldest = len(history.samples) - history.untold
            samples = list(history.samples)[oldest : oldest + room]
            room -= len(samples)
            documents = [self._aged(*sample).model_dump(exclude_none=True) for sample in samples]
            yield name, {"anew": history.anew, "samples": documents}

    def _told(self, workload_id: str, count: int, *, again: bool) -> None:
        """`again`: the manager knows nothing of what went before."""
        history = self._histories.get(workload_id)
        if history is None:
            return
        history.untold = len(history.samples) if again else max(0, history.untold - count)
        history.anew = again

    def _aged(self, at_s: float, measured: Measured) -> Measured:
        return measured.model_copy(update={"age_s": max(0.0, self._now_s() - at_s)})
