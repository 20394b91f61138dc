"""Runs an agent: the watch, the passes, the reports and the heartbeat, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog

from netpersona.agent.agent import LOOK_UPS, Agent
from netpersona.agent.backoff import Backoff
from netpersona.agent.compiled import precompile
from netpersona.agent.confirming import Confirming
from netpersona.agent.desired import Workload
from netpersona.agent.follower import Follower
from netpersona.agent.journal import Journal
from netpersona.agent.labels import Labels
from netpersona.agent.locator import Locator
from netpersona.agent.manager_client import Manager, ManagerRefused, ManagerUnreachable
from netpersona.agent.measurements import Measurements, Reads
from netpersona.agent.origins import Origins
from netpersona.agent.reporter import Reporter
from netpersona.agent.status import Readings, seen, status_document
from netpersona.agent.targets import Moment
from netpersona.agent.verify import Probing, Verifier
from netpersona.datapath import DatapathError, Driver
from netpersona.host import SOCKETS, URI, Container, ContainerWatch, DomainWatch, named

POLL_S = 1.0
"""How soon an interface that came, went or was made again is noticed."""
PULSE_S = 0.5
"""How often it is looked whether the engine lives; a change is reported at once."""
STILL_NS = 1_000_000_000
"""An engine that was still for a moment only is no news."""
SHOWN = 20
"""Labels that were refused, of those that the host's report names."""
REPORT_S = 5.0
"""How often counters are sent where they moved, and how often the host is."""

MEASURE_S = 1.0
"""How often measured conditions are read and told, if nothing else is asked for."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Neighbours:
    """What else runs workloads on this host, and whether labels of containers count."""

    sockets: Sequence[Path] = SOCKETS
    libvirt: str = URI
    labels: bool = False


DEFAULT_NEIGHBOURS = Neighbours()


def moment() -> Moment:
    """Both clocks now."""
    return Moment(datetime.now(UTC), time.monotonic_ns())


class Runner:
    """Wires the parts together and keeps them running."""

    def __init__(
        self,
        drivers: Sequence[Driver[Any, Any]],
        readings: Readings,
        journal: Journal,
        manager: Manager,
        prober: Probing,
        meter: Reads,
        host: str,
        neighbours: Neighbours = DEFAULT_NEIGHBOURS,
        hardware: Callable[[int], Mapping[str, Any] | None] = lambda _: None,
        *,
        measure_s: float = MEASURE_S,
    ) -> None:
        """`hardware` answers what is known of an interface's settings; `measure_s`: how often is measured."""
        self._hardware = hardware
        self._drivers = drivers
        self._readings = readings
        self._manager = manager
        self._host = host
        self._reporter = Reporter(manager, host, self._status, _backoff())
        self._containers = ContainerWatch(neighbours.sockets, self._containers_changed)
        self._domains = DomainWatch(neighbours.libvirt, self._domains_changed)
        locate = Locator(self._containers, self._domains)
        self._agent = Agent(drivers, journal, locate, readings.vanished, moment, self._changed)
        self._confirming = Confirming(
            self._agent.states,
            Origins(self._containers).ask,
            moment,
            self._agent.give_up,
            self._reporter.changed,
        )
        self._labels = Labels(manager, self._containers, self._workloads, host, allowed=neighbours.labels)
        self._measure_s = measure_s
        self._measurements = Measurements(meter, manager, host, self._attached, time.monotonic)
        self._verifier = Verifier(prober, readings, manager, self._agent.states)
        self._follower = Follower(manager, self._agent, host, _backoff(), self._verifier.take)

    async def run(self) -> None:
        """Until cancelled; enforcement stays as it is then."""
        self._loop = asyncio.get_running_loop()
        self._agent.adopt()
        self._domains.start()
        try:
            async with asyncio.TaskGroup() as group:
                for task in (
                    self._passes(),
                    self._follower.run(),
                    self._reporter.run(),
                    self._reports(),
                    self._measurements.run(self._measure_s),
                    self._pulse(),
                    self._containers.run(),
                    self._labels.run(),
                    precompile(self._manager, self._agent.compiled, _backoff()),
                ):
                    group.create_task(task)
        finally:
            self._domains.close()
            self._verifier.close()
            self._confirming.close()
            self._measurements.close()
            self._agent.close()

    def _changed(self, workload_id: str) -> None:
        self._reporter.changed(workload_id)
        self._confirming.look(workload_id)

    def _containers_changed(self, changed: Iterable[Container]) -> None:
        self._agent.look_again(lambda workload: bool(named(changed, workload.container or "")))
        self._agent.wake.set()
        self._labels.wake.set()

    def _domains_changed(self, changed: set[str]) -> None:
        """Called by the thread that libvirt speaks to."""

        def look() -> None:
            self._agent.look_again(lambda workload: workload.domain in changed)
            self._agent.wake.set()

        with suppress(RuntimeError):  # the loop is closed: we are stopping
            self._loop.call_soon_threadsafe(look)

    def _workloads(self) -> list[Workload] | None:
        if not self._agent.synced:
            return None
        return [state.workload for state in self._agent.states.values()]

    def _attached(self) -> dict[int, str]:
        """Workloads by the interface that they are attached to."""
        return {state.held: name for name, state in self._agent.states.items() if state.held}

    async def _passes(self) -> None:
        while True:
            await self._pass()
            try:
                await asyncio.wait_for(self._agent.wake.wait(), POLL_S)
            except TimeoutError:
                continue

    async def _pass(self) -> None:
        try:
            await self._agent.reconcile(again=LOOK_UPS)
        except DatapathError as error:
            _log.error("a pass failed; trying again", error=str(error))

    async def _reports(self) -> None:
        while True:
            for workload_id in self._agent.states:
                self._reporter.refresh(workload_id)
            await self._report_host()
            await asyncio.sleep(REPORT_S)

    async def _pulse(self) -> None:
        before = None
        while True:
            if (still := self._is_still()) != before:
                before = still
                await self._report_host()
            await asyncio.sleep(PULSE_S)

    def _is_still(self) -> bool:
        try:
            age = self._readings.engine().heartbeat_age_ns
        except DatapathError:
            return True
        return age is None or age >= STILL_NS

    async def _report_host(self) -> None:
        try:
            await self._manager.put_host(self._host, self._host_document())
        except (ManagerUnreachable, ManagerRefused, DatapathError) as error:
            _log.warning("cannot report this host", error=str(error))

    def _host_document(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "version": version("netpersona"),
            "capabilities": self._capabilities(),
            "engine": asdict(self._readings.engine()),
            "labels_refused": dict(list(self._labels.refused.items())[:SHOWN]),
        }

    def _capabilities(self) -> dict[str, Any]:
        """Of the first driver, as the manager shows them; those of others beside it, by name."""
        first, *others = self._drivers
        return vars(first.probe()) | {driver.name: vars(driver.probe()) for driver in others}

    def _status(self, workload_id: str) -> Mapping[str, Any] | None:
        state = self._agent.known(workload_id)
        if state is None:
            return None
        now = moment()
        try:
            found = seen(self._readings, state.target)
        except DatapathError as error:
            _log.warning("cannot read counters", workload=workload_id, error=str(error))
            found = None
        hardware = self._hardware(state.target.ifindex) if state.target else None
        probe = self._confirming.report(workload_id)
        return status_document(
            state, found, monotonic_ns=now.monotonic_ns, now=now.wall, hardware=hardware, probe=probe
        )


def _backoff() -> Backoff:
    # Jitter is there to differ between agents, so this generator is not seeded.
    return Backoff(random.SystemRandom().uniform)


def journal_path(state_dir: Path) -> Path:
    """The agent's journal below the state directory."""
    return state_dir / "agent" / "journal.json"
