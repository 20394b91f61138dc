from __future__ import annotations

from datetime import UTC, datetime

import pytest

from netpersona.kinds.moments import age, dated, left, span

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0s"), (0.4, "0s"), (95, "95s"), (119.4, "119s"), (120, "2min"), (7200, "2h"), (200_000, "2d")],
)
def test_lengths_keep_two_digits(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_moments_are_said_from_now() -> None:
    assert age("2030-01-01T11:59:00Z", NOW) == "60s ago"
    assert left("2030-01-01T12:01:00Z", NOW) == "in 60s"
    assert left(None, NOW) == "-"
    assert dated("2030-01-01T13:00:00.5+02:00", NOW) == "2030-01-01 11:00:00 UTC, 60min ago"
