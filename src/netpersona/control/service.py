"""The manager without HTTP: every noun over one store, and the feed that watchers read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from netpersona.control.assignments import Assignments
from netpersona.control.clock import Clock, utc_now
from netpersona.control.desk import PERSONAS, VERIFICATIONS, WORKLOADS, Desk
from netpersona.control.feed import Feed, Source
from netpersona.control.hosts import Hosts
from netpersona.control.lateness import EngineLateness
from netpersona.control.metrics import Metrics
from netpersona.control.personas import Personas
from netpersona.control.statuses import Statuses
from netpersona.control.store import Store
from netpersona.control.verifications import Verifications, verification_resource
from netpersona.control.wakeups import EngineWork
from netpersona.control.workloads import Workloads, wanted_resource

HOST_FEED = "workloads-of/"
"""Topic of what the agent of each host is told, without what it reports itself."""


class Service:
    """What the API, the older endpoint shapes and the expiry timer share. Lives in one event loop."""

    def __init__(self, store: Store, clock: Clock = utc_now) -> None:
        desk = Desk(store, clock)
        self.store = store
        self.closed = False
        self.statuses = Statuses()
        self.personas = Personas(desk)
        self.workloads = Workloads(desk, self.statuses)
        self.assignments = Assignments(desk, self.personas, self.workloads)
        self.verifications = Verifications(desk, self.workloads)
        self.hosts = Hosts(desk)
        workload = Source(WORKLOADS, self.workloads.resource)
        verification = Source(VERIFICATIONS, verification_resource, "VERIFY", self.verifications.open)
        self.feed = Feed(
            store,
            {
                "personas": (Source(PERSONAS, self.personas.resource),),
                "workloads": (workload, verification),
                HOST_FEED: (
                    Source(WORKLOADS, wanted_resource, part=self.workloads.host),
                    replace(verification, part=self.workloads.host),
                ),
            },
        )
        self.metrics = Metrics()
        self._measure()

    def report_status(self, workload_id: str, status: Mapping[str, Any]) -> Mapping[str, Any]:
        """Takes an agent's report and tells the watchers. Raises NotFound."""
        record = self.workloads.get(workload_id)
        self.statuses.put(workload_id, status)
        self.feed.tell("workloads", "STATUS", lambda: self.workloads.resource(record))
        return status

    def end_watches(self) -> None:
        """Lets every open answer come to its end; the first step of stopping."""
        self.closed = True
        self.feed.close()
        self.statuses.close()

    def close(self) -> None:
        """Ends watches, finishes the commit under way and closes the store. Idempotent."""
        self.end_watches()
        self.store.close()

    def _measure(self) -> None:
        gauge, store = self.metrics.gauge, self.store
        gauge("store_revision", "Newest revision of the store", lambda: store.revision)
        gauge("personas", "Personas stored", lambda: len(store.list(PERSONAS)))
        gauge("workloads", "Workloads known", lambda: len(store.list(WORKLOADS)))
        gauge("workloads_reported", "Workloads with a status", self.statuses.count)
        gauge("hosts", "Agents that have reported", lambda: len(self.hosts.list()))
        self.metrics.collect(EngineLateness(self.hosts.list))
        self.metrics.collect(EngineWork(self.hosts.list))
        for topic in ("personas", "workloads"):
            gauge(f"watches_{topic}", f"Watches open on {topic}", partial(self.feed.watchers, topic))
        gauge("watches_hosts", "Agents that follow", partial(self.feed.watchers, HOST_FEED))
