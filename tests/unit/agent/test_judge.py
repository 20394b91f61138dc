import random
from collections.abc import Iterable

import pytest

from netpersona.agent.judge import Row, judge, judge_rate
from netpersona.agent.requested import Requested, requested
from netpersona.datapath import Probe
from netpersona.persona import from_mapping

SPACING_NS = 10_000_000


def wanted(**egress: object) -> Requested:
    return requested(from_mapping({"persona_id": "p", "egress": egress}).egress)


def sent(delays_ns: Iterable[float | None], *, corrupted: float = 0, twice: float = 0) -> list[Probe]:
    source = random.Random(1)
    return [
        Probe(
            sequence=number,
            sent_ns=number * SPACING_NS,
            captured_ns=()
            if delay is None
            else (int(number * SPACING_NS + delay),) * (2 if source.random() < twice else 1),
            corrupted=delay is not None and source.random() < corrupted,
            length=128,
        )
        for number, delay in enumerate(delays_ns)
    ]


def by_quantity(rows: Iterable[Row]) -> dict[str, Row]:
    return {row.quantity: row for row in rows}


def normal(mean_ms: float, deviation_ms: float, count: int = 400) -> list[float | None]:
    source = random.Random(2)
    return [source.gauss(mean_ms, deviation_ms) * 1e6 for _ in range(count)]


def test_a_link_that_does_what_was_asked_holds_in_every_row() -> None:
    asked = wanted(latency="100ms", jitter="5ms", distribution="normal")
    rows = by_quantity(judge("egress", asked, sent(normal(100.05, 5))))
    assert {row.holds for row in rows.values()} == {True}
    assert rows["delay"].achieved == pytest.approx(100, abs=1)
    assert rows["delay"].unit == "ms"


@pytest.mark.parametrize(("mean_ms", "deviation_ms", "broken"), [(104, 5, "delay"), (100, 9, "jitter")])
def test_a_link_that_does_otherwise_is_caught(mean_ms: float, deviation_ms: float, broken: str) -> None:
    asked = wanted(latency="100ms", jitter="5ms", distribution="normal")
    rows = judge("egress", asked, sent(normal(mean_ms, deviation_ms)))
    assert {row.quantity.split()[0] for row in rows if row.holds is False} == {broken}


def test_less_delay_than_asked_is_not_forgiven_as_path() -> None:
    rows = by_quantity(judge("egress", wanted(latency="10ms"), sent([9.5e6] * 200)))
    assert rows["delay"].holds is False


def test_loss_that_was_not_asked_for_is_caught() -> None:
    rows = by_quantity(judge("egress", wanted(), sent([None if n % 10 == 3 else 1e5 for n in range(400)])))
    assert rows["loss"].holds is False
    assert rows["loss"].achieved == pytest.approx(0.1)


def test_loss_as_asked_holds() -> None:
    source = random.Random(3)
    delays = [None if source.random() < 0.1 else 1e5 for _ in range(500)]
    assert by_quantity(judge("egress", wanted(loss="10%"), sent(delays)))["loss"].holds is True


def test_when_nothing_arrives_only_the_loss_is_judged() -> None:
    rows = list(judge("egress", wanted(loss="100%"), sent([None] * 50)))
    assert [(row.quantity, row.holds) for row in rows] == [("loss", True)]


def test_duplicates_and_corruption_are_counted_among_what_arrived() -> None:
    asked = wanted(duplicate="5%", corrupt="2%")
    rows = by_quantity(judge("egress", asked, sent([1e5] * 1000, corrupted=0.02, twice=0.05)))
    assert rows["duplicate"].holds is True
    assert rows["corrupt"].holds is True
    rows = by_quantity(judge("egress", asked, sent([1e5] * 1000)))
    assert rows["duplicate"].holds is False
    assert rows["corrupt"].holds is False


def test_overtaking_is_shown_and_not_judged() -> None:
    delays: list[float | None] = [30e6 if n % 4 else 0.0 for n in range(100)]
    rows = by_quantity(judge("egress", wanted(latency="30ms", reorder="25%"), sent(delays)))
    assert rows["overtaking"].holds is None
    assert rows["overtaking"].achieved is not None
    assert rows["overtaking"].achieved > 0.2


def burst(bits_a_second: float, count: int = 200, *, paced: bool = False) -> list[Probe]:
    gap_ns = 1400 * 8e9 / bits_a_second
    return [Probe(n, int(n * gap_ns) if paced else n, (int(n * gap_ns),), False, 1400) for n in range(count)]


@pytest.mark.parametrize(("rate", "holds"), [(1e6, True), (1.2e6, False), (0.8e6, False)])
def test_a_rate_is_judged_by_a_burst(rate: float, holds: bool) -> None:
    assert judge_rate("egress", wanted(bandwidth="1mbit"), burst(rate)).holds is holds


def test_a_burst_that_we_could_not_send_fast_enough_says_nothing() -> None:
    row = judge_rate("egress", wanted(bandwidth="10gbit"), burst(1e6, paced=True))
    assert row.holds is None


def test_jitter_may_shift_the_ends_of_a_burst() -> None:
    conditions = {"bandwidth": "1mbit", "latency": "500ms", "jitter": "60ms", "distribution": "normal"}
    assert judge_rate("egress", wanted(bandwidth="1mbit"), burst(0.95e6)).holds is False
    assert judge_rate("egress", wanted(**conditions), burst(0.95e6)).holds is True


def test_what_the_bucket_let_through_at_once_is_not_the_rate() -> None:
    asked = wanted(bandwidth="1mbit", burst="28kB")
    at_once = [Probe(n, n, (n,), False, 1400) for n in range(20)]
    later = [
        Probe(p.sequence, p.sequence, (p.captured_ns[0] + 11_200_000,), False, 1400) for p in burst(1e6, 100)
    ]
    assert judge_rate("egress", asked, at_once + later).holds is True
