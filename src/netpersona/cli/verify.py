"""verify: probes through an attachment; what was asked against what was measured."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netpersona.cli import completion
from netpersona.cli.connection import connect, get_known
from netpersona.cli.durations import duration, lifetime
from netpersona.cli.errors import CliError, note
from netpersona.cli.output import Format, Output, View, emit
from netpersona.cli.settings import settings_of
from netpersona.client import ClientError

if TYPE_CHECKING:
    from netpersona.client import Client
    from netpersona.client.calls import JsonObject

POLL_S = 0.1
GRACE_S = 30.0
"""Beyond the time that the agent says it takes."""
OPEN = ("pending", "running")


def verify(
    ctx: typer.Context,
    workload: Annotated[str, typer.Argument(metavar="WORKLOAD", autocompletion=completion.workloads)],
    probes: Annotated[
        int | None,
        typer.Option(
            min=10, max=100_000, help="How many, in each direction; as many as the persona needs by default."
        ),
    ] = None,
    interval: Annotated[
        str | None,
        typer.Option(
            metavar="DURATION",
            callback=duration,
            help="Between two probes, 100us to 10s; longer where the rate is low. 10ms or closer by default.",
        ),
    ] = None,
    at_most: Annotated[
        str,
        typer.Option(
            metavar="DURATION", callback=lifetime, help="How long it may take, 1s to 1h; then fewer probes."
        ),
    ] = "60s",
    output: Output = Format.table,
) -> None:
    """Send probes through a workload's attachment and compare; exit 1 unless all that can be told holds.

    Ctrl-C cancels it. The verifications of a host run one after another.
    """
    with connect(settings_of(ctx)) as api:
        get_known(api, "workloads", workload)
        asked = api.verify(workload, probes=probes, interval=interval, at_most=at_most)
        result = _finished(api, asked)
    if result["state"] != "done":
        raise CliError(f"could not verify {workload}: {result.get('message') or 'no reason given'}")
    emit(_compared(result), output)
    if result.get("message"):
        note(result["message"])
    if not _holds(result["rows"]):
        raise typer.Exit(1)


def _holds(rows: list[dict[str, Any]]) -> bool:
    """Says what does not."""
    named = {
        verdict: [f"{row['direction']} {row['quantity']}" for row in rows if row["verdict"] == verdict]
        for verdict in ("no", "too few")
    }
    if named["no"]:
        note(f"does not hold: {', '.join(named['no'])}")
    if named["too few"]:
        note(f"too few probes to tell (more with --probes or --at-most): {', '.join(named['too few'])}")
    return not (named["no"] or named["too few"])


def _finished(api: Client, asked: JsonObject) -> JsonObject:
    """Wait for the agent to finish a verification; cancel it when interrupted."""
    try:
        return _wait(api, asked)
    except KeyboardInterrupt:
        _cancel(api, asked)
        raise


def _cancel(api: Client, asked: JsonObject) -> None:
    try:
        state = api.cancel(asked["workload_id"], asked["verification_id"])["state"]
    except ClientError as error:
        note(f"interrupted, and cannot cancel the verification: {error}")
    else:
        note(f"{state}: no more probes are sent")


def _wait(api: Client, result: JsonObject) -> JsonObject:
    workload, number = result["workload_id"], result["verification_id"]
    with _progress(f"verifying {workload}") as show:
        waited = time.monotonic()
        while result["state"] in OPEN:
            show(result)
            if result["state"] == "pending" and result.get("position"):
                waited = time.monotonic()
            elif time.monotonic() - waited > (result.get("takes_s") or 0) + GRACE_S:
                raise CliError(
                    f"no result within {time.monotonic() - waited:.0f} s",
                    "see `netpersona status` and the agent's log",
                )
            time.sleep(POLL_S)
            result = api.verification(workload, number)
    return result


@contextmanager
def _progress(what: str) -> Iterator[Callable[[JsonObject], None]]:
    """Yields a function that shows how a verification goes: a bar on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        said: list[str] = []
        yield lambda result: _say_once(said, f"{what}: {_stage(result)}")
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task, started = progress.add_task(what, total=None), time.monotonic()

        def show(result: JsonObject) -> None:
            nonlocal started
            if result["state"] != "running":
                started = time.monotonic()
            progress.update(
                task,
                total=result.get("takes_s"),
                completed=time.monotonic() - started,
                description=f"{what}: {_stage(result)}",
            )

        yield show


def _say_once(said: list[str], line: str) -> None:
    if line not in said:
        said.append(line)
        note(line)


def _stage(result: JsonObject) -> str:
    if result["state"] == "running":
        return f"takes about {result.get('takes_s') or 0:.1f} s"
    position = result.get("position") or 0
    return f"{position} of the same host come first" if position else "asked the agent"


def _compared(result: JsonObject) -> View:
    return View(
        columns=("DIRECTION", "QUANTITY", "REQUESTED", "ACHIEVED", "INTERVAL", "HOLDS"),
        rows=[_row(row) for row in result["rows"]],
        data=result,
        names=[f"{row['direction']}/{row['quantity']}" for row in result["rows"]],
        empty="nothing was measured",
    )


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    verdict = {"no": "NO", None: "-"}.get(row["verdict"], row["verdict"])
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
        return value
    if unit == "bit/s":
        for scaled, length in (("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3)):
            if abs(value) >= length:
                return f"{_number(value / length, digits)}{scaled}"
    return f"{_number(value, digits)}{unit}" if unit else f"{_number(100 * value, digits)}%"


def _number(value: float, digits: int) -> str:
    """Significant digits without an exponent: more of them than any probe can tell."""
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:.6f}".rstrip("0").rstrip(".")
