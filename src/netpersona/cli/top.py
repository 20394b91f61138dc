"""top: what workloads wear and what their traffic is like, live."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from netpersona.cli import figures
from netpersona.cli.connection import Settings, connect, settings_of
from netpersona.cli.output import Format, Output, View, emit
from netpersona.client import ClientError
from netpersona.kinds.shown import printable

if TYPE_CHECKING:
    from rich.table import Table

    from netpersona.client import Client, Event
    from netpersona.kinds.workload import Workload

EVERY_S = 1.0
_AROUND = 2
"""Lines of the terminal beside the rows: the heading, and how many more there are."""


def top(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Print it once, every workload.")] = False,
    output: Output = Format.table,
) -> None:
    """Show what workloads wear, their traffic and the time left, live; the busiest first. Ctrl-C ends it."""
    settings = settings_of(ctx)
    if once or output is not Format.table or not sys.stdout.isatty():
        from netpersona.kinds.workload import WORKLOAD

        with connect(settings) as api:
            emit(_view(api.all(WORKLOAD)), output)
        return
    _live(settings)


def ordered(workloads: Iterable[Workload]) -> list[Workload]:
    return sorted(workloads, key=lambda one: (-figures.throughput(one), one.name))


def _view(workloads: Sequence[Workload]) -> View:
    now, found = datetime.now(UTC), ordered(workloads)
    return View(
        columns=figures.TOP,
        rows=[figures.top_row(workload, now) for workload in found],
        data=[figures.top_data(workload, now) for workload in found],
        names=[workload.name for workload in found],
        empty="no workloads; `netpersona workload add` names one",
    )


def _live(settings: Settings) -> None:
    """On a screen of its own, which is gone when it ends, however it does."""
    from rich.console import Console
    from rich.live import Live

    console = Console()
    with connect(settings) as api:
        board = Board()
        threading.Thread(target=board.follow, args=(api,), daemon=True).start()
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while board.problem is None:
                live.update(board.table(console.height), refresh=True)
                time.sleep(EVERY_S)
        raise board.problem


class Board:
    """The newest of every workload. One thread follows, another draws."""

    def __init__(self) -> None:
        self._workloads: dict[str, Workload] = {}
        self._changing = threading.Lock()
        self.problem: ClientError | None = None

    def follow(self, api: Client) -> None:
        """Until the manager refuses; a gap is gone over."""
        from netpersona.kinds.workload import WORKLOAD

        try:
            for event in api.follow(WORKLOAD):
                self.take(event)
        except ClientError as error:
            self.problem = error

    def take(self, event: Event) -> None:
        from netpersona.kinds.workload import WORKLOAD

        with self._changing:
            if event.type == "DELETED":
                self._workloads.pop(str(event.object["workload_id"]), None)
            elif event.type in ("ADDED", "MODIFIED", "STATUS"):
                workload = WORKLOAD.load(event.object)
                self._workloads[workload.name] = workload

    def table(self, height: int) -> Table:
        """As many of the busiest as there is room for."""
        from rich.table import Table
        from rich.text import Text

        with self._changing:
            found = ordered(self._workloads.values())
        room = max(1, height - _AROUND)
        more = f"… and {len(found) - room:,} more" if len(found) > room else None
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0), caption=more)
        for column in figures.TOP:
            table.add_column(column, no_wrap=True)
        now = datetime.now(UTC)
        for workload in found[:room]:
            table.add_row(*(Text(printable(cell)) for cell in figures.top_row(workload, now)))
        return table
