"""apply, get, describe and delete: the resources the manager holds."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netpersona.cli import completion
from netpersona.cli.connection import connect, get_known
from netpersona.cli.errors import CliError, nearest, warn
from netpersona.cli.force import require_known
from netpersona.cli.output import Format, Output, View, emit
from netpersona.cli.revisions import get_persona, get_preset, preset_resources, split
from netpersona.cli.settings import settings_of
from netpersona.cli.tables import troubles, view_of

if TYPE_CHECKING:
    from netpersona.cli.documents import Document
    from netpersona.client import Client
    from netpersona.client.calls import JsonObject
    from netpersona.kinds.persona import Persona


class Collection(StrEnum):
    personas = "personas"
    workloads = "workloads"
    hosts = "hosts"
    presets = "presets"


def collection_of(word: str) -> Collection:
    """`persona` and `personas` mean the same."""
    for collection in Collection:
        if word in (collection.value, collection.value.removesuffix("s")):
            return collection
    guess = nearest(word, list(Collection))
    hint = f"; did you mean {guess}?" if guess else ""
    raise typer.BadParameter(f"{word!r} is not one of personas, workloads, hosts, presets{hint}")


def complete_kind(incomplete: str) -> list[str]:
    return [str(c) for c in Collection if c.startswith(incomplete)]


def get(
    ctx: typer.Context,
    kind: Annotated[
        str, typer.Argument(metavar="personas|workloads|hosts|presets", autocompletion=complete_kind)
    ],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Only this one.", autocompletion=completion.of_kind)
    ] = None,
    output: Output = Format.table,
) -> None:
    """List personas, workloads, hosts or presets, or print one of them.

    Exit 1 when what a workload wears is not in force.
    """
    collection = collection_of(kind)
    if collection is Collection.presets:
        found = preset_resources() if name is None else [get_preset(name)]
    else:
        found = _stored(ctx, collection, name)
    emit(view_of(collection, found, single=name is not None), output)
    if collection is Collection.workloads and output is Format.table:
        for line in troubles(found):
            warn(line)
    if collection is Collection.workloads:
        require_known(settings_of(ctx), found)


def _stored(ctx: typer.Context, collection: Collection, name: str | None) -> list[JsonObject]:
    with connect(settings_of(ctx)) as api:
        if name is None:
            return api.all(collection)
        return [
            get_persona(api, name) if collection is Collection.personas else get_known(api, collection, name)
        ]


def apply(
    ctx: typer.Context,
    file: Annotated[
        list[str], typer.Option("-f", "--file", metavar="FILE", help="File, directory or -; may be repeated.")
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change and change nothing.")
    ] = False,
    output: Output = Format.table,
) -> None:
    """Create or replace the personas of documents; with any problem in any file, nothing is sent."""
    from netpersona.cli.documents import load_documents

    documents = load_documents(file)
    for document in documents:
        for warning in document.warnings:
            warn(f"{document.persona.persona_id}: {warning}")
    with connect(settings_of(ctx)) as api:
        results = apply_documents(api, documents, dry_run=dry_run)
    emit(_applied(results, dry_run), output)


Applied = tuple[str, str, dict[str, Any]]


def apply_documents(api: Client, documents: Sequence[Document], *, dry_run: bool) -> list[Applied]:
    """(persona_id, what happened, resource) of each; the manager judges all before it stores the first."""
    planned = [(d.persona, api.find("personas", d.persona.persona_id)) for d in documents]
    rehearsed = [_send(api, persona, stored, dry_run=True) for persona, stored in planned]
    if dry_run:
        return rehearsed
    return [_send(api, persona, stored, dry_run=False) for persona, stored in planned]


def _send(api: Client, persona: Persona, stored: dict[str, Any] | None, *, dry_run: bool) -> Applied:
    from netpersona.kinds.persona import diff, from_mapping, to_mapping

    name, body = persona.persona_id, to_mapping(persona)
    if stored is None:
        return name, "created", api.create("personas", body, dry_run=dry_run)
    if not diff(from_mapping(stored["spec"]), persona):
        return name, "unchanged", stored
    replaced = api.replace("personas", name, body, stored["revision"], dry_run=dry_run)
    return name, "replaced", replaced


def _applied(results: Sequence[Applied], dry_run: bool) -> View:
    suffix = " (dry run)" if dry_run else ""
    return View(
        columns=("PERSONA", "RESULT", "IN USE BY"),
        rows=[
            (name, f"{what}{suffix}", ",".join(r.get("in_use_by") or ()) or "-") for name, what, r in results
        ],
        data=[
            {"persona_id": name, "result": what, "dry_run": dry_run, "revision": resource.get("revision")}
            for name, what, resource in results
        ],
        names=[f"persona/{name}" for name, _, _ in results],
        empty="the files hold no persona",
    )


def delete(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="persona|workload", autocompletion=complete_kind)],
    names: Annotated[list[str], typer.Argument(metavar="NAME...", autocompletion=completion.of_kind)],
) -> None:
    """Delete personas or workloads; a persona in use is refused, a workload is released first."""
    collection = collection_of(kind)
    if collection is Collection.hosts:
        raise typer.BadParameter("hosts come and go with their agents; name a persona or a workload", ctx=ctx)
    if collection is Collection.presets:
        raise typer.BadParameter(
            "presets come with netpersona and stay; name a persona or a workload", ctx=ctx
        )
    pinned = [name for name in names if collection is Collection.personas and split(name)[1] is not None]
    if pinned:
        raise CliError(f"{pinned[0]} is one revision, and all go together", f"name {split(pinned[0])[0]}")
    delete_each(ctx, collection, names)


def delete_each(ctx: typer.Context, collection: str, names: Sequence[str]) -> None:
    """All names are looked up before the first is deleted, so that a misspelt one deletes nothing."""
    with connect(settings_of(ctx)) as api:
        found = [(name, get_known(api, collection, name)) for name in names]
        for name, resource in found:
            api.delete(collection, name, resource["revision"])
            print(f"{collection.removesuffix('s')}/{name} deleted")
