"""What engines did as Prometheus reads it."""

from __future__ import annotations

from typing import Any

import pytest

from netpersona.control.metrics.registry import Metrics
from netpersona.control.metrics.wakeups import EngineWork


def shown(*reports: dict[str, Any]) -> str:
    metrics = Metrics()
    metrics.collect(EngineWork(lambda: reports))
    return metrics.text().decode()


def test_each_host_counts_wake_ups_beside_packets() -> None:
    text = shown({"host": "a", "engine": {"wakeups": 7, "reads": 30, "writes": 29}}, {"host": "b"})
    assert 'netpersona_engine_wakeups_total{host="a"} 7.0' in text
    assert 'netpersona_engine_reads_total{host="a"} 30.0' in text
    assert 'netpersona_engine_writes_total{host="a"} 29.0' in text
    assert 'host="b"' not in text


@pytest.mark.parametrize("engine", [{}, {"wakeups": "no"}, {"wakeups": -1}, {"wakeups": None}])
def test_a_report_without_a_count_is_passed_over(engine: dict[str, Any]) -> None:
    assert 'host="a"' not in shown({"host": "a", "engine": engine})
