"""What Prometheus may read."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.registry import Collector

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0)


class Metrics:
    """A registry of its own, so that several services live in one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "netpersona_requests", "Requests answered", ["method", "status"], registry=self._registry
        )
        self.seconds = Histogram(
            "netpersona_request_seconds",
            "From request to answer, watches and waits left out",
            buckets=_SECONDS,
            registry=self._registry,
        )

    def gauge(self, name: str, said: str, read: Callable[[], float]) -> None:
        """A value read when Prometheus asks."""
        Gauge(f"netpersona_{name}", said, registry=self._registry).set_function(read)

    def collect(self, collector: Collector) -> None:
        """Further values, read when Prometheus asks."""
        self._registry.register(collector)

    def text(self) -> bytes:
        return generate_latest(self._registry)
