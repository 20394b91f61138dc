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
            result = _measure(api, workload, {"probes": probes, "interval": interval}, takes_s, advance)
    if result["state"] == "failed":
        raise CliError(f"could not verify {workload}: {result.get('message') or 'no reason given'}")
    emit(_compared(result), output)
    if result.get("message"):
        note(result["message"])
    if any(row["holds"] is False for row in result["rows"]):
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
                f"no agent has finished within {passed_s:.0f} s",
                "see `netpersona status` and the agent's log",
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
        yield lambda passed_s: progress.update(task, completed=min(passed_s, takes_s))


def _compared(result: JsonObject) -> View:
    return View(
        columns=("DIRECTION", "QUANTITY", "REQUESTED", "ACHIEVED", "INTERVAL", "UNIT", "HOLDS"),
        rows=[_row(row) for row in result["rows"]],
        data=result,
        names=[f"{row['direction']}/{row['quantity']}" for row in result["rows"]],
        empty="nothing was measured",
    )


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    verdict = {True: "yes", False: "NO", None: "-"}[row["holds"]]
    span = (
        "-"
        if row["low"] is None or row["high"] is None
        else f"{_number(row['low'])} … {_number(row['high'])}"
    )
    return (
        row["direction"],
        row["quantity"],
        _number(row["requested"]),
        _number(row["achieved"]),
        span,
        row["unit"],
        verdict,
    )


def _number(value: float | str | None) -> str:
    """Six significant digits: more than any probe can tell."""
    if value is None:
        return "-"
    return value if isinstance(value, str) else f"{value:.6g}"
