"""Options and arguments that several commands take."""

from __future__ import annotations

from typing import Annotated

import typer

from netpersona.cli import completion


def seconds(text: str) -> float:
    """Of a duration as documents write it (`2s`). Raises typer.BadParameter: exit 2, with what to write."""
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


def probe_text(text: str | None) -> str | None:
    """Option callback for `--probe`."""
    from netpersona.kinds.errors import Refused
    from netpersona.kinds.probe import canonical

    try:
        return text if text is None else canonical(text)
    except Refused as error:
        raise typer.BadParameter(f"{error.message}; {error.remedy}") from error


WorkloadName = Annotated[str, typer.Argument(metavar="WORKLOAD", autocompletion=completion.workloads)]
Wait = Annotated[
    str,
    typer.Option(metavar="DURATION", callback=duration, help="How long the agent may take; 0s: do not wait."),
]
