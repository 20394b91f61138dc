"""How late packets left the engines, for Prometheus: from the reports of their hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

NS = 1e-9
LONGEST = 64  # buckets; a report with more is not one of ours


class EngineLateness(Collector):
    """`reports` yields what hosts said last; what is no histogram in them is passed over."""

    def __init__(self, reports: Callable[[], Iterable[Mapping[str, Any]]]) -> None:
        self._reports = reports

    def describe(self) -> Iterator[HistogramMetricFamily]:
        yield self._family()

    def collect(self) -> Iterator[HistogramMetricFamily]:
        family = self._family()
        for report in self._reports():
            counts = report.get("engine", {}).get("lateness")
            if _is_histogram(counts):
                family.add_metric([report["host"]], *_cumulative(counts))
        yield family

    def _family(self) -> HistogramMetricFamily:
        return HistogramMetricFamily(
            "netpersona_engine_lateness_seconds", "How late packets left the engine", labels=["host"]
        )


def _is_histogram(counts: object) -> bool:
    return (
        isinstance(counts, list)
        and 0 < len(counts) <= LONGEST
        and all(isinstance(count, int) and count >= 0 for count in counts)
    )


def _cumulative(counts: list[int]) -> tuple[list[tuple[str, float]], None]:
    """Bucket i holds what was late by less than 2^i ns; Prometheus counts upwards, and wants +Inf."""
    buckets = [(f"{2**i * NS:g}", float(total)) for i, total in enumerate(accumulate(counts))]
    return [*buckets, ("+Inf", float(sum(counts)))], None
