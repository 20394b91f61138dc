from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from tests.unit.agent.verify.links import link, travel, wanted

from netpersona.agent.verify.comparison import CORRELATION, compare, compare_rate
from netpersona.agent.verify.probing import ProbeRequest, plan
from netpersona.agent.verify.requested import requested
from netpersona.agent.verify.rows import Row
from netpersona.datapath import Probe, Train
from netpersona.kinds.persona.conditions import Link

MS = 1_000_000
JITTER = "jitter (standard deviation)"
PLAIN = Train("egress", 400, 10 * MS)


def by_quantity(rows: Iterable[Row]) -> dict[str, Row]:
    return {row.quantity: row for row in rows}


def verdicts(asked: Link, done: Link, train: Train | None = None, *, seed: int = 1) -> dict[str, str | None]:
    """Of a link that does `done` where `asked` was asked; by default with as many probes as are sent then."""
    meant = requested(asked)
    sent = train or plan({"egress": meant}, ProbeRequest()).trains[0]
    return {row.quantity: row.verdict for row in compare("egress", meant, travel(done, sent, seed))}


ASKED: dict[str, tuple[dict[str, Any], int]] = {
    "nothing": ({}, 50),
    "loss": ({"loss": "10%"}, 50),
    "loss in runs": ({"loss": {"probability": "20%", "correlation": "50%"}}, 30),
    "loss in bursts": ({"loss": {"model": "gilbert_elliott", "p": "2%", "r": "20%"}}, 10),
    "all of it": ({"loss": "10%", "duplicate": "20%", "corrupt": "5%"}, 30),
    "delay": ({"latency": "100ms"}, 50),
    "uniform": ({"latency": "20ms", "jitter": "5ms"}, 30),
    "heavy tail": ({"latency": "50ms", "jitter": "10ms", "distribution": "pareto", "order": "free"}, 50),
    "dense": ({"latency": "50ms", "jitter": "10ms", "distribution": "normal"}, 10),
    "reorder": ({"latency": "20ms", "jitter": "5ms", "reorder": "10%"}, 20),
}


@pytest.mark.parametrize("name", ASKED)
def test_a_link_that_does_what_was_asked_is_not_blamed(name: str) -> None:
    """At 99.9 % a row, one false NO in these few hundred rows is nothing strange, three are."""
    asked, times = ASKED[name]
    found = Counter(
        verdict
        for seed in range(times)
        for verdict in verdicts(link(**asked), link(**asked), seed=seed).values()
    )
    assert found["no"] <= 1
    assert found["yes"] >= 0.97 * found.total()


WRONG: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("loss", {"loss": "10%"}, {"loss": "5%"}),
    ("loss", {"loss": "1%"}, {"loss": "2%"}),
    ("loss", {"loss": "10%"}, {}),
    ("loss", {}, {"loss": "3%"}),
    (
        "loss",
        {"loss": {"probability": "20%", "correlation": "50%"}},
        {"loss": {"probability": "10%", "correlation": "50%"}},
    ),
    ("duplicate", {"duplicate": "10%"}, {"duplicate": "5%"}),
    ("corrupt", {"corrupt": "10%"}, {"corrupt": "5%"}),
    ("delay", {"latency": "2ms"}, {"latency": "4ms"}),
    ("delay", {"latency": "2ms"}, {"latency": "1ms"}),
    ("delay", {}, {"latency": "5ms"}),
    ("delay", {"latency": "100ms", "jitter": "10ms"}, {"latency": "200ms", "jitter": "10ms"}),
    (JITTER, {"latency": "50ms", "jitter": "8ms"}, {"latency": "50ms", "jitter": "16ms"}),
    (JITTER, {"latency": "50ms", "jitter": "8ms"}, {"latency": "50ms", "jitter": "4ms"}),
    (
        JITTER,
        {"latency": "50ms", "jitter": "9ms", "distribution": "pareto"},
        {"latency": "50ms", "jitter": "20ms", "distribution": "pareto"},
    ),
    ("reorder", {"latency": "20ms", "reorder": "20%"}, {"latency": "20ms", "reorder": "10%"}),
    (
        CORRELATION,
        {"latency": "20ms", "jitter": "2ms", "distribution": "normal", "correlation": "60%"},
        {"latency": "20ms", "jitter": "2ms", "distribution": "normal"},
    ),
]


@pytest.mark.parametrize(
    ("quantity", "asked", "done"), WRONG, ids=[f"{q}-{n}" for n, (q, *_) in enumerate(WRONG)]
)
def test_half_or_twice_of_what_was_asked_is_caught_with_the_usual_probes(
    quantity: str, asked: dict[str, Any], done: dict[str, Any]
) -> None:
    times = 5
    found = Counter(verdicts(link(**asked), link(**done), seed=seed)[quantity] for seed in range(times))
    assert found["yes"] == 0
    assert found["no"] >= times - 1, found


def test_values_are_shown_in_the_unit_of_the_row() -> None:
    asked = link(latency="100ms", jitter="5ms", distribution="normal")
    rows = by_quantity(compare("egress", requested(asked), travel(asked, PLAIN, 1)))
    assert rows["delay"].achieved == pytest.approx(100, abs=1)
    assert rows["delay"].unit == "ms"
    assert rows[JITTER].achieved == pytest.approx(5, rel=0.2)
    assert rows["delay"].document()["holds"] is True


FEW = Train("egress", 20, 10 * MS)


def test_few_probes_are_no_yes() -> None:
    for asked in ({"loss": "1%"}, {"duplicate": "10%"}, {"latency": "20ms", "jitter": "10ms"}):
        assert "too few" in verdicts(link(**asked), link(**asked), FEW).values()
    assert set(verdicts(link(), link(), FEW).values()) == {"too few", "yes"}


def test_few_probes_may_still_be_a_no() -> None:
    assert verdicts(link(latency="10ms"), link(latency="30ms"), FEW)["delay"] == "no"


def test_delays_of_dense_probes_are_worth_few() -> None:
    """200 probes within a tenth of what a delay lasts are hardly more than one."""
    asked = link(latency="500ms", jitter="200ms", distribution="normal")
    found = verdicts(asked, asked, Train("egress", 200, 100_000))
    assert (found["delay"], found[JITTER]) == ("too few", "too few")


def test_a_delay_too_small_to_tell_from_the_way_itself_is_not_judged() -> None:
    assert verdicts(link(latency="300us"), link(latency="300us"), PLAIN)["delay"] is None
    assert verdicts(link(latency="300us"), link(latency="5ms"), PLAIN)["delay"] == "no"


def test_less_delay_than_asked_is_not_forgiven_as_path() -> None:
    assert verdicts(link(latency="10ms"), link(latency="9500us"), PLAIN)["delay"] == "no"


def test_where_all_is_to_be_lost_only_the_loss_is_judged() -> None:
    assert verdicts(link(loss="100%"), link(loss="100%"), PLAIN) == {"loss": "yes"}


def test_nothing_arrives_although_something_should() -> None:
    found = verdicts(link(latency="10ms"), link(loss="100%"), PLAIN)
    assert (found["loss"], found["delay"]) == ("no", "too few")


def test_copies_that_may_overtake_do_not_count_for_the_delay() -> None:
    """The first of two independent copies would be early."""
    asked = {
        "latency": "50ms",
        "jitter": "20ms",
        "distribution": "normal",
        "order": "free",
        "duplicate": "50%",
    }
    first = [
        Probe(p.sequence, p.sent_ns, (p.sent_ns + 1, *p.captured_ns), p.corrupted, p.length)
        if len(p.captured_ns) > 1
        else p
        for p in travel(link(**asked), PLAIN, 1)
    ]
    assert by_quantity(compare("egress", wanted(**asked), first))["delay"].verdict == "yes"


CORRELATED = {"latency": "40ms", "jitter": "10ms", "distribution": "normal", "correlation": "25%"}


@pytest.mark.parametrize("interval_ms", [3, 10])
def test_correlation_is_judged_by_what_order_makes_of_it(interval_ms: int) -> None:
    """25 % asked, and far more at this packet rate: not the persona's fault."""
    train = Train("egress", 2000, interval_ms * MS)
    probes = travel(link(**CORRELATED), train, 1)
    row = by_quantity(compare("egress", wanted(**CORRELATED), probes))[CORRELATION]
    assert row.verdict == "yes"
    assert isinstance(row.requested, float)
    assert row.requested > 0.3
    disturbed = by_quantity(compare("egress", wanted(**CORRELATED), probes, alone=False))
    assert disturbed[CORRELATION].verdict is None


def burst(bits_a_second: float, count: int = 300, *, offered: float = 2.0) -> list[Probe]:
    """Offered `offered` times as fast as 1 Mbit/s, through a link of this rate without a bucket."""
    sent_ns, gap_ns = 1400 * 8e3 / offered, 1400 * 8e9 / bits_a_second
    return [Probe(n, int(n * sent_ns), (int(n * max(sent_ns, gap_ns)),), False, 1400) for n in range(count)]


@pytest.mark.parametrize(("rate", "verdict"), [(1e6, "yes"), (1.2e6, "no"), (0.8e6, "no"), (0.5e6, "no")])
def test_a_rate_is_judged_by_a_burst(rate: float, verdict: str) -> None:
    assert compare_rate("egress", wanted(bandwidth="1mbit"), burst(rate)).verdict == verdict


def test_a_burst_that_we_could_not_send_fast_enough_says_nothing() -> None:
    asked = wanted(bandwidth="1mbit")
    assert compare_rate("egress", asked, burst(1e6, offered=1.1)).verdict == "too few"
    assert compare_rate("egress", asked, burst(1e6, count=5)).verdict == "too few"
    assert compare_rate("egress", asked, []).verdict == "too few"


def test_the_share_that_the_workload_took_is_not_missed() -> None:
    asked = wanted(bandwidth="1mbit")
    assert compare_rate("egress", asked, burst(0.8e6), alone=False).verdict is None
    assert compare_rate("egress", asked, burst(1.2e6), alone=False).verdict == "no"


def test_jitter_may_shift_the_ends_of_a_burst() -> None:
    conditions = {"bandwidth": "1mbit", "latency": "500ms", "jitter": "60ms", "distribution": "normal"}
    assert compare_rate("egress", wanted(bandwidth="1mbit"), burst(0.95e6)).verdict == "no"
    assert compare_rate("egress", wanted(**conditions), burst(0.95e6)).verdict == "yes"


def test_what_the_bucket_let_through_at_once_is_not_the_rate() -> None:
    asked = wanted(bandwidth="1mbit", burst="28kB")
    gap_ns, start = 11_200_000, 40
    probes = [
        Probe(n, n * gap_ns // 2, (max(n * gap_ns // 2, (n - start // 2) * gap_ns),), False, 1400)
        for n in range(200)
    ]
    assert compare_rate("egress", asked, probes).verdict == "yes"
