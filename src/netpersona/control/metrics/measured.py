"""Measured conditions of workloads, for Prometheus. What was not measured, or is old, is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from netpersona.kinds.measured import DIRECTIONS, Measured, MeasuredDirection

FRESH_S: Final = 15.0
"""Older is no answer to what a workload's conditions are now."""

Read = Callable[[MeasuredDirection], float | None]


def _seconds(read: Read) -> Read:
    def of(side: MeasuredDirection) -> float | None:
        value = read(side)
        return None if value is None else value / 1e3

    return of


GAUGES: Final[Mapping[str, tuple[str, Read]]] = {
    "round_trip_seconds": (
        "Median round trip from the attachment to where the direction's packets go",
        _seconds(lambda side: side.rtt.median_ms if side.rtt else None),
    ),
    "round_trip_p95_seconds": (
        "Round trip that 95 % keep within",
        _seconds(lambda side: side.rtt.p95_ms if side.rtt else None),
    ),
    "round_trip_variation_seconds": (
        "Mean difference of successive round trips",
        _seconds(lambda side: side.jitter_ms),
    ),
    "loss_ratio": ("Share of TCP segments that were sent again", lambda side: side.loss),
    "throughput_bits_per_second": ("Ethernet frames that went on", lambda side: side.throughput_bit_s),
    "queue_depth_packets": (
        "Packets waiting in the engine, on average",
        lambda side: side.queue_depth_packets,
    ),
}


class MeasuredConditions(Collector):
    """`measured` yields the newest of each workload."""

    def __init__(self, measured: Callable[[], Mapping[str, Measured]]) -> None:
        self._measured = measured

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield from (_family(name) for name in GAUGES)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        fresh = {name: one for name, one in self._measured().items() if one.age_s <= FRESH_S}
        for name, (_, read) in GAUGES.items():
            family = _family(name)
            for workload, measured in fresh.items():
                for direction in DIRECTIONS:
                    value = read(measured.direction(direction))
                    if value is not None:
                        family.add_metric([workload, direction], value)
            yield family


def _family(name: str) -> GaugeMetricFamily:
    said, _ = GAUGES[name]
    return GaugeMetricFamily(f"netpersona_measured_{name}", said, labels=["workload", "direction"])
