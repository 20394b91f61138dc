"""Times in requests, in the units of persona documents."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from netpersona.control.problems import Detail, Unprocessable
from netpersona.kinds.errors import Refused
from netpersona.kinds.shown import brief
from netpersona.kinds.units import Duration, Lifetime


def lifetime(text: str, pointer: str) -> timedelta:
    """How long an assignment lives. Raises Unprocessable."""
    return timedelta(microseconds=_nanoseconds(Lifetime, text, pointer) / 1000)


def duration_s(text: str, pointer: str, *, low_s: float, high_s: float, where: str = "body") -> float:
    """Seconds within bounds. Raises Unprocessable."""
    seconds = _nanoseconds(Duration, text, pointer, where) / 1e9
    if not low_s <= seconds <= high_s:
        detail = f"{brief(text)} is outside {low_s:g} s to {high_s:g} s"
        raise Unprocessable(
            detail, errors=[Detail(pointer, detail, "write a time within these bounds", where)]
        )
    return seconds


def _nanoseconds(unit: type[Any], text: str, pointer: str, where: str = "body") -> int:
    try:
        return int(unit.parse(text))
    except Refused as error:
        raise Unprocessable(
            error.message, errors=[Detail(pointer, error.message, error.remedy, where)]
        ) from None
