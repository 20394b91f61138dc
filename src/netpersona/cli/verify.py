"""verify: probes through an attachment; what was asked against what was measured."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netpersona.cli import completion
from netpersona.cli.durations import duration, seconds
from netpersona.cli.errors import CliError, note
from netpersona.cli.output import Format, Output, View, emit
from netpersona.cli.settings import settings_of

if TYPE_CHECKING:
    from netpersona.cli.client import Api, JsonObject

POLL_S = 0.1
GRACE_S = 30.0
"""Beyond the time that sending takes: what is under test may delay or queue the probes themselves."""


def verify(
    ctx: typer.Context,
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD", autocompletion=completion.workloads)],
    probes: Annotated[int, typer.Option(min=10, max=100_000, help="How many, in each direction.")] = 200,
    interval: Annotated[
        str, typer.Option(metavar="DURATION", callback=duration, help="Between two probes, 100us to 10s.")
    ] = "10ms",
    output: Output = Format.table,
) -> None:
    """Send probes through a workload's attachment and compare; exit 1 where something does not hold."""
    from netpersona.cli.client import Api

    takes_s = probes * seconds(interval)
    with Api(settings_of(ctx)) as api:
        api.get("workloads", workload)
        with _progress(f"{probes} probes to {workload}, {interval} apart", takes_s) as advance:
            try:
                result = _measure(api, workload, {"probes": probes, "interval": interval}, takes_s, advance)
            except KeyboardInterrupt:
                note(
                    "interrupted; the agent sends the remaining probes, and a new verification waits for them"
                )
                raise
    if result["state"] == "failed":
        raise CliError(f"could not verify {workload}: {result.get('message') or 'no reason given'}")
    emit(_compared(result), output)
    if result.get("message"):
        note(result["message"])
    broken = [f"{row['direction']} {row['quantity']}" for row in result["rows"] if row["holds"] is False]
    if broken:
        note(f"does not hold: {', '.join(broken)}")
        raise typer.Exit(1)


def _measure(
    api: Api, workload: str, body: JsonObject, takes_s: float, advance: Callable[[float], None]
) -> JsonObject:
    """Ask for a verification and wait for the agent to finish it."""
    from netpersona.cli.client import resource_path

    path = resource_path("workloads", workload, "verifications")
    result = api.request("POST", path, body)
    started = time.monotonic()
    while result["state"] == "pending":
        passed_s = time.monotonic() - started
        if passed_s > takes_s + GRACE_S:
            raise CliError(
                f"no result within {passed_s:.0f} s",
                "an interrupted verification may still be under way: `netpersona watch` shows when it ends; "
                "otherwise see `netpersona status` and the agent's log",
            )
        advance(passed_s)
        time.sleep(POLL_S)
        result = api.request("GET", f"{path}/{result['verification_id']}")
    return result


@contextmanager
def _progress(what: str, takes_s: float) -> Iterator[Callable[[float], None]]:
    """Yields a function that takes the seconds passed; a bar on a terminal, one line elsewhere."""
    if not sys.stderr.isatty():
        note(f"{what}: about {takes_s:.1f} s")
        yield lambda _passed_s: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=takes_s)

        def advance(passed_s: float) -> None:
            late = passed_s > takes_s
            progress.update(task, completed=min(passed_s, takes_s), description=_LAST if late else what)

        yield advance


_LAST = "waiting for the last probes, then measuring the rate"


def _compared(result: JsonObject) -> View:
    return View(
        columns=("DIRECTION", "QUANTITY", "REQUESTED", "ACHIEVED", "INTERVAL", "HOLDS"),
        rows=[_row(row) for row in result["rows"]],
        data=result,
        names=[f"{row['direction']}/{row['quantity']}" for row in result["rows"]],
        empty="nothing was measured",
    )


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    verdict = {True: "yes", False: "NO", None: "-"}[row["holds"]]
    low, high = (amount(row[end], row["unit"]) for end in ("low", "high"))
    return (
        row["direction"],
        row["quantity"],
        amount(row["requested"], row["unit"], digits=6),
        amount(row["achieved"], row["unit"]),
        "-" if "-" in (low, high) else f"{low} … {high}",
        verdict,
    )


def amount(value: float | str | None, unit: str, *, digits: int = 4) -> str:
    """A value as a persona document would write it: 1%, 99.8ms, 420kbit."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return f"{value}{unit}"
    if unit == "bit/s":
        for scaled, length in (("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3)):
            if abs(value) >= length:
                return f"{_number(value / length, digits)}{scaled}"
    return f"{_number(value, digits)}{unit}" if unit else f"{_number(100 * value, digits)}%"


def _number(value: float, digits: int) -> str:
    """Significant digits without an exponent: more of them than any probe can tell."""
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:.6f}".rstrip("0").rstrip(".")
