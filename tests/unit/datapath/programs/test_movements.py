"""Counts of an interval as measured conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from netpersona.datapath.programs.movements import delays, measured, quantile, round_trip

if TYPE_CHECKING:
    from netpersona._engine import MovedRecord

TALLIES = (
    "passed",
    "dropped_rule",
    "dropped_default",
    "dropped_profile",
    "dropped_fragment",
    "dropped_engine",
    "too_big",
    "detoured",
    "bypassed",
    "malformed",
)
LANE = (
    "emitted",
    "lost",
    "dropped_queue",
    "dropped_line",
    "dropped_ring",
    "dropped_emit",
    "flushed",
    "answered",
)


def moved(**changes: Any) -> MovedRecord:
    record: MovedRecord = {
        "tallies": dict.fromkeys(TALLIES, (0, 0)),
        "lane": {**dict.fromkeys(LANE, 0), "held": 0},
        "segments": 0,
        "retransmitted": 0,
        "reordered": 0,
        "variations": 0,
        "variation_us": 0,
        "round_trip_us": [],
        "left_bytes": 0,
        "held_ns": 0,
        "held_us": [],
    }
    for key, value in changes.items():
        part = record[key]  # type: ignore[literal-required]
        record[key] = {**part, **value} if isinstance(part, dict) else value  # type: ignore[literal-required]
    return record


def test_what_was_not_seen_is_missing_and_not_zero() -> None:
    side = measured(moved(tallies={"passed": (10, 1000)}), moved(), 2.0).egress
    assert (side.throughput_bit_s, side.packets_s, side.dropped_packets) == (4000, 5, {})
    assert (side.rtt, side.loss, side.loss_packets, side.jitter_ms) == (None,) * 4
    assert (side.queue_depth_packets, side.delay) == (None, None)


def test_what_took_the_detour_counts_as_it_left() -> None:
    side = measured(
        moved(
            tallies={"passed": (10, 1000), "detoured": (8, 800), "dropped_rule": (3, 300)},
            lane={"emitted": 6, "lost": 2},
            left_bytes=600,
            held_ns=30_000_000,
        ),
        moved(),
        1.0,
    ).egress
    assert (side.throughput_bit_s, side.packets_s) == (8 * 800, 8)
    assert side.dropped_packets == {"filtering rule": 3, "loss": 2}
    assert side.queue_depth_packets == pytest.approx(0.03)


def test_loss_is_of_segments_and_jitter_of_round_trips() -> None:
    record = moved(segments=200, retransmitted=4, variations=10, variation_us=5000)
    side = measured(moved(), record, 1.0).ingress
    assert (side.loss, side.loss_packets, side.jitter_ms) == (0.02, 200, 0.5)


def test_quantiles_lie_between_the_bounds_of_their_bin() -> None:
    bins = [(1000, 1100, 50), (2000, 2200, 45), (4000, 4400, 5)]
    assert quantile(bins, 0.5) == 1100
    assert quantile(bins, 0.95) == 2200
    assert quantile(bins, 1.0) == 4400
    trip = round_trip(bins)
    assert trip is not None
    assert (trip.min_ms, trip.median_ms, trip.samples) == (1.05, 1.1, 100)


def test_no_sample_is_no_round_trip() -> None:
    assert round_trip([]) is None


def test_bins_are_told_with_the_empty_one_below_them() -> None:
    bins = [(19456, 20480, 7), (20480, 21504, 2), (65536, 69632, 1)]
    told = [(one.below_us, one.packets) for one in delays(bins)]
    assert told == [(16384, 0), (20480, 7), (24576, 2), (65536, 0), (81920, 1)]
