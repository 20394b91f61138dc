"""What became of a workload's packets."""

from __future__ import annotations

from netpersona.kinds import traffic

STATUS = {
    "counters": {
        "egress": {
            "passed": {"packets": 1500, "bytes": 9},
            "detoured": {"packets": 1400},
            "dropped_rule": {"packets": 2},
            "flows_created": 4,
        },
        "ingress": {"passed": {"packets": 7}, "dropped_profile": {"packets": 30}},
    },
    "lanes": {"egress": {"emitted": 1395, "lost": 10, "duplicated": 5, "seed": 42}, "ingress": {"lost": 1}},
}


def test_delivered_is_what_went_straight_on_and_what_the_engine_sent() -> None:
    assert [traffic.delivered(STATUS, direction) for direction in traffic.DIRECTIONS] == [1495, 7]


def test_drops_are_named_by_reason() -> None:
    assert traffic.dropped(STATUS, "egress") == {"filtering rule": 2, "loss": 10}


def test_a_glance_puts_the_most_frequent_reason_first() -> None:
    assert traffic.at_a_glance(STATUS) == "30 security profile, 11 loss, 2 filtering rule"


def test_the_table_leaves_out_what_never_happened() -> None:
    assert traffic.table(STATUS) == [
        ("delivered", 1495, 7),
        ("dropped: filtering rule", 2, 0),
        ("dropped: security profile", 0, 30),
        ("dropped: loss", 10, 1),
        ("duplicated", 5, 0),
        ("connections tracked", 4, 0),
    ]


def test_a_workload_that_nobody_has_seen_has_no_packets() -> None:
    assert traffic.delivered(None, "egress") == 0
    assert traffic.at_a_glance(None) == "-"


def test_seeds_are_shown_where_there_are_any() -> None:
    assert traffic.seeds(STATUS) == "egress 42"
    assert traffic.seeds({}) is None
