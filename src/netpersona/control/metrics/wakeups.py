"""What the engines did, for Prometheus: packets read and written, and wake-ups, the dearest of the three."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector

COUNTERS = {
    "wakeups": "Times that the engine slept and was woken",
    "reads": "Packets that the engine read",
    "writes": "Packets that the engine wrote",
}


class EngineWork(Collector):
    """`reports` yields what hosts said last; what is no count in them is passed over."""

    def __init__(self, reports: Callable[[], Iterable[Mapping[str, Any]]]) -> None:
        self._reports = reports

    def describe(self) -> Iterator[CounterMetricFamily]:
        yield from (_family(name) for name in COUNTERS)

    def collect(self) -> Iterator[CounterMetricFamily]:
        reports = list(self._reports())
        for name in COUNTERS:
            family = _family(name)
            for report in reports:
                count = report.get("engine", {}).get(name)
                if isinstance(count, int) and count >= 0:
                    family.add_metric([report["host"]], count)
            yield family


def _family(name: str) -> CounterMetricFamily:
    return CounterMetricFamily(f"netpersona_engine_{name}", COUNTERS[name], labels=["host"])
