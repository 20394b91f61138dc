"""Options that several commands take: durations."""

from __future__ import annotations

import pytest
import typer

from netpersona.cli.options import duration, lifetime, seconds


@pytest.mark.parametrize(("text", "value"), [("2s", 2.0), ("10ms", 0.01), ("0s", 0.0), ("1min", 60.0)])
def test_seconds(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["2", "soon", "", "-1s", "11min"])
def test_what_is_no_duration_says_what_to_write(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"write|number"):
        duration(text)


def test_a_time_to_live_may_be_longer_than_a_duration() -> None:
    assert lifetime("48h") is not None
    with pytest.raises(typer.BadParameter):
        duration("48h")


def test_no_option_is_no_duration() -> None:
    assert (duration(None), lifetime(None)) == (None, None)
