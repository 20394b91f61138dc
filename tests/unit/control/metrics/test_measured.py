"""Measured conditions for Prometheus."""

from __future__ import annotations

from netpersona.control.metrics.measured import FRESH_S, MeasuredConditions
from netpersona.control.metrics.registry import Metrics
from netpersona.kinds.measured import Measured, MeasuredDirection, RoundTrip


def text(measured: Measured) -> str:
    metrics = Metrics()
    metrics.collect(MeasuredConditions(lambda: {"web": measured}))
    return metrics.text().decode()


def test_what_was_measured_is_told_by_direction_in_seconds() -> None:
    side = MeasuredDirection(rtt=RoundTrip(min_ms=19, median_ms=20, p95_ms=30, samples=9), loss=0.02)
    shown = text(Measured(interval_s=1.0, egress=side))
    assert 'netpersona_measured_round_trip_seconds{direction="egress",workload="web"} 0.02' in shown
    assert 'netpersona_measured_round_trip_p95_seconds{direction="egress",workload="web"} 0.03' in shown
    assert 'netpersona_measured_loss_ratio{direction="egress",workload="web"} 0.02' in shown
    assert 'direction="ingress"' not in shown


def test_what_is_old_is_left_out() -> None:
    side = MeasuredDirection(loss=0.0)
    assert 'workload="web"' in text(Measured(interval_s=1.0, age_s=FRESH_S, egress=side))
    assert 'workload="web"' not in text(Measured(interval_s=1.0, age_s=FRESH_S + 1, egress=side))
