"""Measured conditions as an agent tells them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from netpersona.kinds.measured import Measured, Sample, received, rows
from netpersona.kinds.workload import StatusReport

FULL: dict[str, Any] = {
    "interval_s": 1.0,
    "age_s": 0.25,
    "egress": {
        "throughput_bit_s": 8e6,
        "packets_s": 700,
        "dropped_packets": {"queue full": 3},
        "rtt": {"min_ms": 20.0, "median_ms": 24.5, "p95_ms": 60.0, "samples": 50},
        "loss": 0.01,
        "loss_packets": 700,
        "jitter_ms": 1.5,
        "queue_depth_packets": 12,
        "delay": [{"below_us": 100, "packets": 5}, {"below_us": 200, "packets": 2}],
    },
}


def test_a_report_survives_the_wire() -> None:
    measured = Measured.model_validate_json(json.dumps(FULL))
    assert Measured.model_validate_json(measured.model_dump_json()) == measured
    assert measured.direction("egress").rtt is not None
    assert measured.direction("ingress").loss is None, "what is missing was not measured"


def test_it_comes_with_the_status() -> None:
    report = StatusReport.model_validate({"phase": "attached", "measured": FULL})
    assert report.measured is not None
    assert report.measured.egress.packets_s == 700


def test_age_counts_from_who_received_it() -> None:
    sample = received(Measured.model_validate(FULL), now_s=1000.0)
    assert sample == Sample(999.75, sample.measured)
    assert sample.begins_s == 998.75


@pytest.mark.parametrize(
    "wrong",
    [
        {"interval_s": 0},
        {"interval_s": 1, "age_s": -1},
        {"interval_s": 1, "egress": {"loss": 1.5}},
        {"interval_s": 1, "egress": {"throughput_bit_s": float("nan")}},
        {"interval_s": 1, "egress": {"rtt": {"min_ms": "20"}}},
        {"interval_s": 1, "egress": {"dropped_packets": {str(n): 1 for n in range(65)}}},
        {},
    ],
)
def test_what_cannot_be_measured_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Measured.model_validate(wrong)


def test_only_what_was_measured_is_shown() -> None:
    shown = rows(Measured.model_validate(FULL))
    assert ("round trip, median", "24.5 ms", "-") in shown
    assert ("sent again", "1 % of 700", "-") in shown
    assert rows(Measured(interval_s=1.0)) == []
