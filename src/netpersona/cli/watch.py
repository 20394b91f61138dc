"""watch: changes as they happen, one line each, until interrupted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netpersona.cli.connection import connect
from netpersona.cli.output import Format, Output, say, to_json, to_yaml
from netpersona.cli.resources import Collection, collection_of
from netpersona.cli.settings import settings_of
from netpersona.cli.tables import expiry_of, persona_of, place_of, state_of

if TYPE_CHECKING:
    from netpersona.client import Event


def complete_kind(incomplete: str) -> list[str]:
    return [kind for kind in ("personas", "workloads") if kind.startswith(incomplete)]


def watch(
    ctx: typer.Context,
    kind: Annotated[
        str, typer.Argument(metavar="[personas|workloads]", autocompletion=complete_kind)
    ] = "workloads",
    output: Output = Format.table,
) -> None:
    """Print what exists and then every change, one line each, until Ctrl-C."""
    collection = collection_of(kind)
    if collection in (Collection.hosts, Collection.presets):
        raise typer.BadParameter(f"{collection} cannot be watched; name personas or workloads", ctx=ctx)
    write = _WRITERS[output]
    with connect(settings_of(ctx)) as api:
        for event in api.watch(collection):
            if event.type != "BOOKMARK":
                say(write(collection, event), flush=True)


def _line(collection: Collection, event: Event) -> str:
    thing = event.object
    detail = _persona(thing) if collection is Collection.personas else _workload(event.type, thing)
    return f"{event.type:<8}  {_name(collection, event)}  {detail}".rstrip()


def _name(collection: Collection, event: Event) -> str:
    noun = collection.removesuffix("s")
    return f"{noun}/{event.object[f'{noun}_id']}"


def _persona(persona: Mapping[str, Any]) -> str:
    return f"revision {persona['revision']}" if "revision" in persona else ""


def _workload(event_type: str, workload: Mapping[str, Any]) -> str:
    if event_type == "VERIFY":
        return f"{workload['verification_id']} {workload['state']}"
    if "spec" not in workload:
        return ""
    assignment = workload.get("assignment")
    expiry = f" expires {expiry_of(assignment)}" if assignment and assignment.get("expires_at") else ""
    return f"{place_of(workload['spec'])}  {persona_of(assignment)}{expiry}  {state_of(workload)}"


_WRITERS: dict[Format, Callable[[Collection, Event], str]] = {
    Format.table: _line,
    Format.json: lambda _, event: to_json(event.document, indent=None),
    Format.yaml: lambda _, event: f"---\n{to_yaml(event.document)}".rstrip("\n"),
    Format.name: _name,
}
