"""The manager without HTTP: every kind over one store, and the feed that watchers read."""

from __future__ import annotations

from functools import partial
from typing import Any

from netpersona.control.actions.adaptation_loop import AdaptationLoop
from netpersona.control.actions.adaptations import Adaptations
from netpersona.control.actions.assignments import Assignments
from netpersona.control.actions.plans import Plans
from netpersona.control.actions.requirements import Requirements
from netpersona.control.actions.verifications import Verifications
from netpersona.control.clock import Clock, utc_now
from netpersona.control.identity.calls import OURS, Call
from netpersona.control.metrics.lateness import EngineLateness
from netpersona.control.metrics.measured import MeasuredConditions
from netpersona.control.metrics.registry import Metrics
from netpersona.control.metrics.wakeups import EngineWork
from netpersona.control.resources.adapting import Latest, adaptation_of
from netpersona.control.resources.contents import Contents
from netpersona.control.resources.context import Context
from netpersona.control.resources.generic import Readable, Resources
from netpersona.control.resources.hosts import Hosts
from netpersona.control.resources.measurements import Measurements
from netpersona.control.resources.personas import Personas
from netpersona.control.resources.policies import Policies
from netpersona.control.resources.presets import Presets
from netpersona.control.resources.statuses import Statuses
from netpersona.control.resources.workloads import Workloads
from netpersona.control.store.protocol import REFERENCES, Event, EventType, LocalStore, Store
from netpersona.control.watch.feed import Feed, Source
from netpersona.control.watch.sources import (
    HOST_FEED,
    HostSources,
    followers,
    source_of,
    verifications,
    with_followed,
)
from netpersona.kinds.kind import WRITTEN, Kind
from netpersona.kinds.measured import MeasuredReport
from netpersona.kinds.registry import KINDS
from netpersona.kinds.workload import StatusReport


class Service:
    """What the API, the older endpoint shapes and the expiry timer share. Lives in one event loop."""

    def __init__(
        self, store: Store, clock: Clock = utc_now, kinds: tuple[Kind[Any, Any], ...] = KINDS
    ) -> None:
        self.context = context = Context.of(store, clock)
        self.store, self.kinds = store, kinds
        self.closed = False
        self.measurements = Measurements(clock)
        self.statuses = Statuses(self.measurements.measured)
        self.personas = Personas(context)
        self.contents = Contents(context, self.personas)
        latest = Latest()
        self.workloads = Workloads(context, self.personas, self.contents, self.statuses, latest)
        self.assignments = Assignments(
            context, self.personas, self.workloads, self.contents, Plans(self.contents, self.statuses)
        )
        self.verifications = Verifications(context, self.workloads)
        self.policies = Policies(context)
        self.adaptations = Adaptations(context, self.policies, self.workloads)
        self.requirements = Requirements(
            context, self.personas, self.workloads, self.assignments, self.contents, self.measurements
        )
        self.adaptation_loop = AdaptationLoop(
            context,
            self.adaptations,
            self.assignments,
            self.requirements,
            self.workloads,
            self.policies,
            self.personas,
            self.contents,
            self.measurements,
            latest,
        )
        self.hosts = Hosts(context)
        special = (self.personas, Presets(), self.workloads, self.hosts, self.policies)
        self.readable: dict[str, Readable[Any, Any]] = {one.kind.plural: one for one in special}
        self.written: dict[str, Resources[Any, Any]] = {
            kind.plural: self._resources(kind) for kind in kinds if kind.verbs == WRITTEN
        }
        if isinstance(store, LocalStore):
            for resources in self.written.values():
                store.derive(REFERENCES, resources.references())
        self.feed = Feed(store, self._topics(clock))
        store.listen(partial(_forget, self.measurements, latest))
        self.metrics = Metrics()
        self._measure()

    def report_status(self, workload_id: str, status: StatusReport, call: Call = OURS) -> StatusReport:
        """Takes an agent's report and tells the watchers. Raises: NotFound, PreconditionFailed"""
        record = self.workloads.record(workload_id)
        call.condition.check(record.revision)
        adapts = adaptation_of(record.value) is not None
        self.measurements.reported(workload_id, self.statuses.get(workload_id), status, adapts=adapts)
        self.statuses.put(workload_id, status)
        if status.probe is not None and status.probe.verdict is not None:
            self.assignments.judge(workload_id, status.probe)
        dump, resource = self.workloads.kind.dump, self.workloads.resource
        self.feed.tell("workloads", "STATUS", lambda: dump(resource(record)))
        return status

    def report_measured(self, workload_id: str, report: MeasuredReport) -> bool:
        """Takes what an agent measured; False if it has to say all of it again. Raises: NotFound"""
        self.workloads.record(workload_id)
        return self.measurements.take(workload_id, report)

    def end_watches(self) -> None:
        """Lets every open answer come to its end; the first step of stopping."""
        self.closed = True
        self.feed.close()
        self.statuses.close()

    def close(self) -> None:
        """Ends watches, finishes the commit under way and closes the store. Idempotent."""
        self.end_watches()
        self.store.close()

    def _resources(self, kind: Kind[Any, Any]) -> Resources[Any, Any]:
        known = self.readable.get(kind.plural)
        found = known if isinstance(known, Resources) else Resources(self.context, kind)
        self.readable[kind.plural] = found
        return found

    def _topics(self, clock: Clock) -> dict[str, tuple[Source, ...]]:
        topics: dict[str, tuple[Source, ...]] = {
            name: (source_of(resources),) for name, resources in self.written.items()
        }
        topics["workloads"] = (
            source_of(self.workloads, with_followed),
            followers(self.workloads),
            verifications(self.workloads, self.verifications, by_host=False),
        )
        topics[HOST_FEED] = HostSources(self.workloads, self.verifications, clock).sources
        return topics

    def _measure(self) -> None:
        gauge, store = self.metrics.gauge, self.store
        gauge("store_revision", "Newest revision of the store", lambda: store.revision)
        for name, resources in self.written.items():
            said = f"{name.capitalize()} stored"
            gauge(name, said, resources.count)
            gauge(f"watches_{name}", f"Watches open on {name}", partial(self.feed.watchers, name))
        gauge("workloads_adapting", "Workloads that adapt", lambda: len(self.adaptations.adapting()))
        gauge("workloads_reported", "Workloads with a status", self.statuses.count)
        gauge("hosts", "Agents that have reported", self.hosts.count)
        gauge("watches_hosts", "Agents that follow", partial(self.feed.watchers, HOST_FEED))
        self.metrics.collect(EngineLateness(self.hosts.reports))
        self.metrics.collect(EngineWork(self.hosts.reports))
        self.metrics.collect(MeasuredConditions(self.measurements.all))


def _forget(measurements: Measurements, latest: Latest, event: Event) -> None:
    """What is only in memory goes with a workload."""
    if event.record.kind == "workloads" and event.type is EventType.DELETED:
        measurements.forget(event.record.key)
        latest.forget(event.record.key)
