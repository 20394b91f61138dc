"""Makes what is wanted of this host's interfaces so, by any number of drivers. Level-triggered.

Two ways lead to the same plan and the same steps: `want` makes the instant changes of one interface at once,
on the event loop; `run` compares everything, in each driver's own thread. Changes that disturb traffic
wait until all drivers are through with those that do not. A driver that fails, or takes long, holds up
nobody else. What came of a workload is kept for each driver.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from netpersona.datapath import LABELS, Change, DatapathError, Driver, Target, Wanted
from netpersona.kinds.kind import Label

PATIENCE_S = 10.0
"""How long the others wait for a driver. It goes on by itself then, and they without it."""
STRIDE = 64
"""Workloads looked at before the event loop goes round: some 0.1 ms."""
BURST = 8
"""Slow changes after which a pass that is `hurried` ends. Attaching waits for the kernel, some 25 ms."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Status:
    """What a driver made of a target. `problem` is empty where everything is as wanted."""

    target: Target
    problem: str = ""


class Reconciler:
    """All methods run on one event loop."""

    def __init__(
        self,
        drivers: Sequence[Driver[Any, Any]],
        *,
        ahead: Callable[[Target], None] = lambda _: None,
        reported: Callable[[str], None] = lambda _: None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`ahead` writes down what is about to be put in force; if it raises OSError, that is left alone.

        `reported` is told the workload of which there is a new `Status`.
        """
        self._targets: dict[int, Target] = {}
        self._workers = [_Worker(driver, self._targets, ahead, reported) for driver in drivers]
        self._patience_s = patience_s

    def note(self, target: Target) -> None:
        """Want this of an interface, from the next pass on."""
        self._targets[target.ifindex] = target

    def want(self, target: Target) -> bool:
        """Want this, and make its instant changes now. True if a pass has to make others."""
        self.note(target)
        more = [worker.settle(target) for worker in self._workers]
        return any(more)

    def drop(self, target: Target) -> None:
        """Want nothing of its interface any more, unless another workload does by now."""
        now = self._targets.get(target.ifindex)
        if now is not None and now.workload_id == target.workload_id:
            del self._targets[target.ifindex]

    def statuses(self, workload_id: str) -> Mapping[str, Status]:
        """The newest of each driver that has looked at a workload, by its name."""
        found = {worker.driver.name: worker.statuses.get(workload_id) for worker in self._workers}
        return {name: status for name, status in found.items() if status is not None}

    def is_settled(self, target: Target) -> bool:
        """Whether what takes an instant is in force, as far as was looked."""
        found = [worker.statuses.get(target.workload_id) for worker in self._workers if worker.driver.instant]
        return all(status is not None and status.target is target and not status.problem for status in found)

    async def run(
        self,
        *,
        released: Set[int] = frozenset(),
        complete: bool = False,
        urgent: Set[str] = frozenset(),
        hurried: Callable[[], bool] = lambda: False,
    ) -> None:
        """One pass, `urgent` workloads first; `Wanted` says what is taken off.

        Once `hurried` it ends with part of it done.
        """
        targets = self._targets.copy()
        if urgent:
            targets = dict(sorted(targets.items(), key=lambda item: item[1].workload_id not in urgent))
        wanted = Wanted(targets, released, complete)
        for worker in self._workers:
            worker.forget(wanted)
            worker.hurry = worker.is_busy
        await self._together(lambda worker: worker.compare(wanted))
        for label in LABELS:
            await self._together(partial(_Worker.make, label=label, hurried=hurried))

    def close(self) -> None:
        """Let the threads finish; leaves everything in force."""
        for worker in self._workers:
            worker.close()

    async def _together(self, work: Callable[[_Worker], Coroutine[Any, Any, None]]) -> None:
        """By all drivers but those that are still at what they were late with."""
        tasks = [worker.begin(work(worker)) for worker in self._workers if not worker.is_busy]
        if tasks:
            done, _ = await asyncio.wait(tasks, timeout=self._patience_s)
            for task in done:
                task.result()


class _Worker:
    """One driver at work: its thread, its plan, and what came of it."""

    def __init__(
        self,
        driver: Driver[Any, Any],
        targets: Mapping[int, Target],
        ahead: Callable[[Target], None],
        reported: Callable[[str], None],
    ) -> None:
        self.driver = driver
        self.statuses: dict[str, Status] = {}
        self._targets = targets
        self._ahead = ahead
        self._reported = reported
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=driver.name)
        self._task: asyncio.Task[None] | None = None
        self._wanted = Wanted({})
        self._changes: Sequence[Change] = ()
        self._failed: set[str] = set()
        self.hurry = False
        """Whether a pass found it busy: what it is at was planned too long ago."""

    @property
    def is_busy(self) -> bool:
        return self._task is not None and not self._task.done()

    def begin(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self._task = asyncio.get_running_loop().create_task(work)
        return self._task

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._thread.shutdown(cancel_futures=True)

    def forget(self, wanted: Wanted) -> None:
        """Statuses of workloads that are no longer wanted."""
        for name in self.statuses.keys() - {target.workload_id for target in wanted.targets.values()}:
            del self.statuses[name]

    def settle(self, target: Target) -> bool:
        """Make what is instant; True if there is more than that to do. Does not block."""
        if not self.driver.instant:
            return self._concerns(target)
        try:
            current = self.driver.observe((target.ifindex,))
            for change in self.driver.plan(current, Wanted({target.ifindex: target})):
                if not change.instant:
                    return True
                self._ahead(target)
                self.driver.apply(change)
        except Exception as error:  # whatever a driver raises, the others go on
            self._fail(error, target)
        else:
            self._say(Status(target))
        return False

    def _concerns(self, target: Target) -> bool:
        """Whether a pass is due. Where none is, what was wrong with the wish before is no more."""
        if self.driver.concerns(target):
            return True
        before = self.statuses.get(target.workload_id)
        if before is not None and before.problem:
            self._say(Status(target))
        return False

    async def compare(self, wanted: Wanted) -> None:
        """Plan. What needs no change is as wanted."""
        self._wanted, self._changes, self._failed = wanted, (), set()
        try:
            self._changes = await self._in_thread(self._plan)
        except Exception as error:
            self._log(error)
            for target in wanted.targets.values():
                self._say(Status(target, self._problem(error)))
            return
        changing = {change.ifindex for change in self._changes}
        for number, (ifindex, target) in enumerate(wanted.targets.items()):
            if number % STRIDE == STRIDE - 1:
                await asyncio.sleep(0)
            if ifindex not in changing and self._targets.get(ifindex) is target:
                self._say(Status(target))

    async def make(self, label: Label, hurried: Callable[[], bool]) -> None:
        """The changes of one label, but for those that a failure or a newer wish has overtaken."""
        last = {change.ifindex: change for change in self._changes}
        made = 0  # what fails is no reason to end early: it would be first in the next pass, too
        for change in self._changes:
            if change.label != label or change.workload_id in self._failed or self._is_stale(change):
                continue
            if made >= BURST and not change.instant and (self.hurry or hurried()):
                self._changes = ()
                return
            done = await self._make(change, final=last[change.ifindex] is change)
            made += done and not change.instant

    def _plan(self) -> Sequence[Change]:
        current = self.driver.observe(self.driver.scope(self._wanted))
        changes: Sequence[Change] = self.driver.plan(current, self._wanted)
        return changes

    def _is_stale(self, change: Change) -> bool:
        """Whether the interface was wanted when this was planned and is not now, or the reverse."""
        return (change.ifindex in self._wanted.targets) != (change.ifindex in self._targets)

    async def _make(self, change: Change, *, final: bool) -> bool:
        if not change.instant:
            try:
                await self._in_thread(partial(self.driver.apply, change))
            except Exception as error:
                self._fail(error, self._targets.get(change.ifindex), change)
                return False
            _log.info("applied", driver=self.driver.name, change=_words(change))
        target = self._targets.get(change.ifindex)  # by what is wanted by now
        if target is not None and (change.instant or final):
            if self.driver.instant:
                self.settle(target)
            else:
                self._say(Status(target))
        return True

    def _fail(self, error: Exception, target: Target | None, change: Change | None = None) -> None:
        if change is not None and change.workload_id is not None:
            self._failed.add(change.workload_id)
        is_news = target is None or self._say(Status(target, self._problem(error)))
        if is_news:
            self._log(
                error,
                workload=target.workload_id if target else None,
                change=_words(change) if change else None,
            )

    def _problem(self, error: Exception) -> str:
        return str(error) if _is_expected(error) else f"{self.driver.name}: {error!r}"

    def _log(self, error: Exception, **about: str | None) -> None:
        trace = None if _is_expected(error) else error
        _log.error("a driver failed", driver=self.driver.name, error=str(error), exc_info=trace, **about)

    def _say(self, status: Status) -> bool:
        """Whether that is news."""
        name = status.target.workload_id
        before = self.statuses.get(name)
        if before and before.target is status.target and before.problem == status.problem:
            return False
        self.statuses[name] = status
        self._reported(name)
        return True

    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def _is_expected(error: Exception) -> bool:
    """Anything else is a mistake in a driver."""
    return isinstance(error, DatapathError | OSError)


def _words(change: Change) -> str:
    return f"{type(change).__name__.lower()} interface {change.ifindex} of {change.workload_id or 'nobody'}"
