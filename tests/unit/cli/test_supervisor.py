"""When what died is started again."""

from __future__ import annotations

from netpersona.cli.supervisor import LIMIT_S, STEADY_S, Restarts


def test_the_first_death_is_mended_at_once() -> None:
    assert Restarts().due_s(1000.0) <= 1000.0


def test_what_dies_again_and_again_is_started_ever_more_rarely() -> None:
    restarts, now, pauses = Restarts(), 1000.0, list[float]()
    for _ in range(8):
        now = max(now, restarts.due_s(now))
        restarts.begin(now)
        pauses.append(restarts.due_s(now) - now)
    assert pauses == [0.25, 0.5, 1, 2, 4, 8, 16, LIMIT_S]


def test_what_ran_for_a_while_is_started_at_once_again() -> None:
    restarts = Restarts()
    for now in (0.0, 1.0, 2.0, 3.0):
        restarts.begin(now)
    assert restarts.due_s(4.0) > 4.0
    assert restarts.due_s(3.0 + STEADY_S) <= 3.0 + STEADY_S
