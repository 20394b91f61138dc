"""The lateness of engines as Prometheus reads it."""

from __future__ import annotations

from typing import Any

import pytest

from netpersona.control.metrics.lateness import EngineLateness
from netpersona.control.metrics.registry import Metrics


def shown(*reports: dict[str, Any]) -> str:
    metrics = Metrics()
    metrics.collect(EngineLateness(lambda: reports))
    return metrics.text().decode()


def test_buckets_count_upwards_in_seconds() -> None:
    text = shown({"host": "a", "engine": {"lateness": [1, 0, 2]}})
    assert 'netpersona_engine_lateness_seconds_bucket{host="a",le="1e-09"} 1.0' in text
    assert 'netpersona_engine_lateness_seconds_bucket{host="a",le="4e-09"} 3.0' in text
    assert 'netpersona_engine_lateness_seconds_bucket{host="a",le="+Inf"} 3.0' in text


@pytest.mark.parametrize(
    "engine", [{}, {"lateness": "no"}, {"lateness": [-1]}, {"lateness": [1.5]}, {"lateness": []}]
)
def test_a_report_without_a_histogram_is_passed_over(engine: dict[str, Any]) -> None:
    assert 'host="a"' not in shown({"host": "a", "engine": engine})
