"""Durations on the command line, in the units of the persona document (`2s`, `10ms`)."""

from __future__ import annotations

import typer


def seconds(text: str) -> float:
    """Raises typer.BadParameter, which exits 2 and says what to write."""
    from netpersona.kinds.errors import Refused
    from netpersona.kinds.units import Duration

    try:
        return Duration.parse(text) / 1e9
    except Refused as error:
        raise typer.BadParameter(f"{error.message}; {error.remedy}") from error


def duration(text: str | None) -> str | None:
    """Option callback: refuse what is no duration before anything is asked of the manager."""
    if text is not None:
        seconds(text)
    return text


def lifetime(text: str | None) -> str | None:
    """Option callback for a time to live, which may be far longer than other durations."""
    from netpersona.kinds.errors import Refused
    from netpersona.kinds.units import Lifetime

    try:
        return text if text is None else str(Lifetime.parse(text))
    except Refused as error:
        raise typer.BadParameter(f"{error.message}; {error.remedy}") from error
