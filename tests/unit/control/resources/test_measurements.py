"""Histories at the manager, on its own clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from netpersona.control.resources.measurements import Measurements
from netpersona.kinds.measured import HISTORY, Measured, MeasuredDirection, MeasuredReport

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


def report(*packets: float, anew: bool = False, age_s: float = 0.0) -> MeasuredReport:
    samples = [
        Measured(
            interval_s=1.0,
            age_s=age_s + len(packets) - 1 - number,
            egress=MeasuredDirection(packets_s=value),
        )
        for number, value in enumerate(packets)
    ]
    return MeasuredReport(anew=anew, samples=tuple(samples))


def values(measurements: Measurements, since_s: float = float("-inf")) -> list[float | None]:
    return [sample.measured.egress.packets_s for sample in measurements.history("web", since_s)]


def test_reports_follow_each_other() -> None:
    measurements = Measurements(Clock())
    assert measurements.take("web", report(1, 2, anew=True))
    assert measurements.take("web", report(3))
    assert values(measurements) == [1, 2, 3]


def test_a_report_that_continues_what_is_unknown_wants_more() -> None:
    measurements = Measurements(Clock())
    assert not measurements.take("web", report(3))
    assert measurements.take("web", report(1, 2, 3, anew=True))
    assert values(measurements) == [1, 2, 3]


def test_the_age_goes_on() -> None:
    clock = Clock()
    measurements = Measurements(clock)
    measurements.take("web", report(1, anew=True, age_s=0.5))
    clock.now += timedelta(seconds=60)
    newest = measurements.measured("web")
    assert newest is not None
    assert newest.age_s == 60.5
    assert measurements.all().keys() == {"web"}


def test_what_ended_later_than_a_moment_is_asked_for() -> None:
    measurements = Measurements(Clock())
    measurements.take("web", report(1, 2, 3, anew=True))
    times = [sample.at_s for sample in measurements.history("web")]
    assert times == [NOON.timestamp() - age for age in (2, 1, 0)]
    assert values(measurements, times[1]) == [3]


def test_a_history_is_bounded_and_forgotten() -> None:
    measurements = Measurements(Clock())
    measurements.take("web", report(anew=True))
    for number in range(HISTORY + 5):
        measurements.take("web", report(number))
    assert len(values(measurements)) == HISTORY
    measurements.forget("web")
    assert values(measurements) == []
    assert measurements.measured("web") is None
