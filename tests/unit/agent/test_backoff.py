from netpersona.agent.backoff import Backoff


def longest(_low: float, high: float) -> float:
    return high


def test_waits_twice_as_long_after_each_failure_up_to_the_limit() -> None:
    backoff = Backoff(longest, first_s=1, limit_s=5)
    assert [backoff.next() for _ in range(5)] == [1, 2, 4, 5, 5]


def test_starts_over_after_a_success() -> None:
    backoff = Backoff(longest, first_s=1, limit_s=5)
    backoff.next()
    backoff.next()
    backoff.reset()
    assert backoff.next() == 1


def test_jitter_takes_at_most_half_of_the_wait_away() -> None:
    backoff = Backoff(lambda low, _high: low, first_s=1, limit_s=8)
    assert [backoff.next() for _ in range(4)] == [0.5, 1, 2, 4]
