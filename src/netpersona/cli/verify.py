"""verify: probes through an attachment; what was asked against what was measured."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from netpersona.cli.connection import connect, get_known, settings_of
from netpersona.cli.errors import CliError, note
from netpersona.cli.options import WorkloadName, duration, lifetime
from netpersona.cli.output import Format, Output, View, emit
from netpersona.client import ClientError

if TYPE_CHECKING:
    from netpersona.client import Client
    from netpersona.kinds.verification import Verification, VerificationRow

POLL_S = 0.1
GRACE_S = 30.0
"""Beyond the time that the agent says it takes."""
OPEN = ("pending", "running")


def verify(
    ctx: typer.Context,
    workload: WorkloadName,
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
    from netpersona.kinds.workload import WORKLOAD

    with connect(settings_of(ctx)) as api:
        get_known(api, WORKLOAD, workload)
        asked = api.verify(workload, probes=probes, interval=interval, at_most=at_most)
        result = _finished(api, asked)
    state = result.state
    if state.state != "done":
        raise CliError(f"could not verify {workload}: {state.message or 'no reason given'}")
    emit(_compared(result), output)
    if state.message:
        note(state.message)
    if not _holds(state.rows):
        raise typer.Exit(1)


def _holds(rows: Sequence[VerificationRow]) -> bool:
    """Says what does not."""
    named = {
        verdict: [f"{row.direction} {row.quantity}" for row in rows if row.verdict == verdict]
        for verdict in ("no", "too few")
    }
    if named["no"]:
        note(f"does not hold: {', '.join(named['no'])}")
    if named["too few"]:
        note(f"too few probes to tell (more with --probes or --at-most): {', '.join(named['too few'])}")
    return not (named["no"] or named["too few"])


def _finished(api: Client, asked: Verification) -> Verification:
    """Wait for the agent to finish a verification; cancel it when interrupted."""
    try:
        return _wait(api, asked)
    except KeyboardInterrupt:
        _cancel(api, asked)
        raise


def _cancel(api: Client, asked: Verification) -> None:
    try:
        state = api.cancel(asked.parent, asked.name).state.state
    except ClientError as error:
        note(f"interrupted, and cannot cancel the verification: {error}")
    else:
        note(f"{state}: no more probes are sent")


def _wait(api: Client, result: Verification) -> Verification:
    with _progress(f"verifying {result.parent}") as show:
        waited = time.monotonic()
        while (state := result.state).state in OPEN:
            show(result)
            if state.state == "pending" and state.position:
                waited = time.monotonic()
            elif time.monotonic() - waited > (state.takes_s or 0) + GRACE_S:
                raise CliError(
                    f"no result within {time.monotonic() - waited:.0f} s",
                    "see `netpersona status` and the agent's log",
                )
            time.sleep(POLL_S)
            result = api.verification(result.parent, result.name)
    return result


@contextmanager
def _progress(what: str) -> Iterator[Callable[[Verification], None]]:
    """Yields a function that shows how a verification goes: a bar on a terminal, lines elsewhere."""
    if not sys.stderr.isatty():
        said: list[str] = []
        yield lambda result: _say_once(said, f"{what}: {_stage(result)}")
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task, started = progress.add_task(what, total=None), time.monotonic()

        def show(result: Verification) -> None:
            nonlocal started
            if result.state.state != "running":
                started = time.monotonic()
            progress.update(
                task,
                total=result.state.takes_s,
                completed=time.monotonic() - started,
                description=f"{what}: {_stage(result)}",
            )

        yield show


def _say_once(said: list[str], line: str) -> None:
    if line not in said:
        said.append(line)
        note(line)


def _stage(result: Verification) -> str:
    state = result.state
    if state.state == "running":
        return f"takes about {state.takes_s or 0:.1f} s"
    return f"{state.position} of the same host come first" if state.position else "asked the agent"


def _compared(result: Verification) -> View:
    rows = result.state.rows
    return View(
        columns=("DIRECTION", "QUANTITY", "REQUESTED", "ACHIEVED", "INTERVAL", "HOLDS"),
        rows=[_row(row) for row in rows],
        data=result.kind.dump(result),
        names=[f"{row.direction}/{row.quantity}" for row in rows],
        empty="nothing was measured",
    )


def _row(row: VerificationRow) -> tuple[str, ...]:
    verdict = {"no": "NO", None: "-"}.get(row.verdict, row.verdict)
    low, high = amount(row.low, row.unit), amount(row.high, row.unit)
    return (
        row.direction,
        row.quantity,
        amount(row.requested, row.unit, digits=6),
        amount(row.achieved, row.unit),
        "-" if "-" in (low, high) else f"{low} … {high}",
        str(verdict),
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
