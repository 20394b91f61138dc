"""create: a persona written for what an application requires, and the reason of each value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from netpersona.cli import completion
from netpersona.cli.connection import connect, settings_of, unknown
from netpersona.cli.errors import note, warn
from netpersona.cli.output import Format, Output, View, emit
from netpersona.client import NotFound

NUMBERS = ("bandwidth", "latency", "loss")
EXAMPLE = "voip, or numbers as in bandwidth=2mbit,latency=80ms,loss=1%"


def create(
    ctx: typer.Context,
    for_: Annotated[
        str,
        typer.Option(
            "--for",
            metavar="REQUIREMENT",
            help="voip, video, gaming, bulk or backup, or numbers: bandwidth=2mbit,latency=80ms,loss=1%.",
            autocompletion=completion.applications,
        ),
    ],
    workload: Annotated[
        str,
        typer.Option("--on", metavar="WORKLOAD", help="Who wears it.", autocompletion=completion.workloads),
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="PERSONA", help="How it is called.", show_default="voip-for-WORKLOAD"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show it, and store nothing.")] = False,
    output: Output = Format.table,
) -> None:
    """Write a persona for what an application requires and what is measured, and put it on a workload.

    It is deleted by itself a minute after nothing wears it any more, unless somebody has edited it.
    """
    wanted = {**requirement(for_), **({"persona_id": name} if name else {})}
    with connect(settings_of(ctx)) as api:
        try:
            told = api.write_persona(workload, wanted, dry_run=dry_run)
        except NotFound as error:
            from netpersona.kinds.workload import WORKLOAD

            raise unknown(api, WORKLOAD, workload) from error
    for warning in told["warnings"]:
        warn(warning)
    emit(_view(told, output), output)
    done = "would be put" if told["dry_run"] else "is"
    note(f"{told['persona_id']} {done} on {workload}; -o yaml shows all of it")


def requirement(text: str) -> dict[str, str]:
    """An application's name, numbers, or both: `voip,bandwidth=200kbit`."""
    wanted: dict[str, str] = {}
    for part in text.split(","):
        key, equals, value = (word.strip() for word in part.partition("="))
        if equals and key not in NUMBERS:
            raise typer.BadParameter(f"there is no {key}; write {EXAMPLE}", param_hint="--for")
        if not key or (equals and not value):
            raise typer.BadParameter(f"{text!r} is no requirement; write {EXAMPLE}", param_hint="--for")
        wanted[key if equals else "application"] = value if equals else key
    return wanted


def _view(told: Mapping[str, Any], output: Format) -> View:
    """For people the reasons; for programs all; as YAML the persona, which can be applied."""
    return View(
        columns=("KEY", "VALUE", "WHY", "SOURCE"),
        rows=[(r["key"], r["value"], r["why"], r["source"]) for r in told["reasons"]],
        data=told["persona"] if output is Format.yaml else dict(told),
        names=[told["persona_id"]],
    )
