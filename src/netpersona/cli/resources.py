"""get, describe, watch, delete and schema: what is held of any kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netpersona.cli import completion
from netpersona.cli.connection import connect, get_known, names, settings_of
from netpersona.cli.errors import CliError, nearest, unknown_name, warn
from netpersona.cli.force import require_known
from netpersona.cli.output import Format, Output, View, emit, plain_table, say, to_json, to_yaml, view_of
from netpersona.cli.personas import (
    find_persona,
    find_preset,
    get_persona,
    get_preset,
    preset_resources,
    split,
)
from netpersona.kinds.registry import HOMES, kind_named, noun_of

if TYPE_CHECKING:
    from netpersona.client import Client, ClientError, Event
    from netpersona.kinds.kind import Kind, Resource, Section


def nouns() -> list[str]:
    """Of the kinds that are got by name alone."""
    return [noun for noun, home in HOMES.items() if not home.within]


def plurals() -> list[str]:
    return [HOMES[noun].plural for noun in nouns()]


def written() -> list[str]:
    """Nouns of the kinds that people write."""
    return [noun for noun, home in HOMES.items() if home.is_written]


def noun_from(word: str) -> str:
    """Raises typer.BadParameter for what is no kind."""
    noun = noun_of(word)
    if noun is not None and not HOMES[noun].within:
        return noun
    guess = nearest(word, plurals())
    hint = f"; did you mean {guess}?" if guess else ""
    raise typer.BadParameter(f"{word!r} is not one of {', '.join(plurals())}{hint}")


def get(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="|".join(plurals()), autocompletion=completion.kinds)],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Only this one.", autocompletion=completion.of_kind)
    ] = None,
    output: Output = Format.table,
) -> None:
    """List the resources of a kind, or print one of them.

    Exit 1 when what a workload wears is not in force.
    """
    noun = noun_from(kind)
    found = _presets(name) if noun == "preset" else _stored(ctx, kind_named(noun), name)
    shown_as = kind_named(noun) if name is None else found[0].kind
    emit(view_of(shown_as, found, single=name is not None), output)
    if output is Format.table:
        for line in (line for resource in found for line in resource.kind.troubles(resource)):
            warn(line)
    _require_in_force(ctx, found)


def _presets(name: str | None) -> list[Resource[Any, Any]]:
    return preset_resources() if name is None else [get_preset(name)]


def _stored(ctx: typer.Context, kind: Kind[Any, Any], name: str | None) -> list[Resource[Any, Any]]:
    with connect(settings_of(ctx)) as api:
        return api.all(kind) if name is None else [_one(api, kind, name)]


def _one(api: Client, kind: Kind[Any, Any], name: str) -> Resource[Any, Any]:
    return get_persona(api, name) if kind.noun == "persona" else get_known(api, kind, name)


def _require_in_force(ctx: typer.Context, found: Sequence[Resource[Any, Any]]) -> None:
    require_known(settings_of(ctx), [resource for resource in found if resource.kind.noun == "workload"])


def describe(
    ctx: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(metavar=f"[{'|'.join(nouns())}]", autocompletion=completion.kinds_and_names),
    ],
    name: Annotated[str | None, typer.Argument(metavar="NAME", autocompletion=completion.of_kind)] = None,
    output: Output = Format.table,
) -> None:
    """Show all that is known of one resource; a name alone will do where it says which.

    Exit 1 when what the workload wears is not in force.
    """
    found = _named(ctx, kind, name) if name is not None else _only(ctx, kind)
    if output is Format.table:
        sections = found.kind.describe(found, datetime.now(UTC))
        say("\n\n".join(block for section in sections if (block := _block(section))))
    else:
        emit(View((), (), found.kind.dump(found), [found.name]), output)
    _require_in_force(ctx, [found])


def _named(ctx: typer.Context, word: str, name: str) -> Resource[Any, Any]:
    noun = noun_from(word)
    return get_preset(name) if noun == "preset" else _stored(ctx, kind_named(noun), name)[0]


def _only(ctx: typer.Context, name: str) -> Resource[Any, Any]:
    """The one resource of that name, whichever kind it is."""
    kinds = [kind_named(noun) for noun in written()]
    with connect(settings_of(ctx)) as api:
        held = [find_persona(api, name) if k.noun == "persona" else api.find(k, name) for k in kinds]
        found = [resource for resource in held if resource]
        if not found and (preset := find_preset(name)):
            return preset
        known = [] if found else [other for kind in kinds for other in names(api, kind)]
    if len(found) > 1:
        nouns = [resource.kind.noun for resource in found]
        raise CliError(
            f"{name} is a {' and a '.join(nouns)}",
            "write " + " or ".join(f"`netpersona describe {noun} {name}`" for noun in nouns),
        )
    if not found:
        listings = [f"netpersona get {kind.plural}" for kind in kinds]
        raise unknown_name(" or ".join(written()), name, known, *listings)
    return found[0]


def _block(section: Section) -> str:
    """Heading, fields, table and text, as far as there are any."""
    width = max((len(key) for key, _ in section.fields), default=0)
    fields = [f"  {key:<{width}}  {value}" for key, value in section.fields]
    heading, *rows = section.table or ((),)
    table = [plain_table(heading, [(f"  {first}", *rest) for first, *rest in rows])] if section.table else []
    return "\n".join(part for part in (section.heading, *fields, *table, section.text) if part)


def watch(
    ctx: typer.Context,
    kind: Annotated[
        str,
        typer.Argument(
            metavar=f"[{'|'.join(HOMES[noun].plural for noun in written())}]",
            autocompletion=completion.written_kinds,
        ),
    ] = "workloads",
    output: Output = Format.table,
) -> None:
    """Print what exists and then every change, one line each, until Ctrl-C.

    While the manager is away it waits, and then goes on with what changed meanwhile.
    """
    noun = noun_from(kind)
    if not HOMES[noun].is_written:
        can = " or ".join(HOMES[other].plural for other in written())
        raise typer.BadParameter(f"{HOMES[noun].plural} cannot be watched; name {can}", ctx=ctx)
    watched, write = kind_named(noun), _WRITERS[output]
    with connect(settings_of(ctx)) as api:
        away = _Away()
        for event in api.follow(watched, on_gap=away.note):
            away.end()
            if event.type != "BOOKMARK":
                say(write(watched, event), flush=True)


class _Away:
    """Says that the manager is away, once for each reason until it is back."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def note(self, error: ClientError) -> None:
        if error.message not in self._said:
            warn(f"{error.message}; this goes on once the manager answers")
        self._said.add(error.message)

    def end(self) -> None:
        self._said.clear()


def _line(kind: Kind[Any, Any], event: Event) -> str:
    return f"{event.type:<8}  {_reference(kind, event)}  {_summary(kind, event)}".rstrip()


def _reference(kind: Kind[Any, Any], event: Event) -> str:
    return f"{kind.noun}/{event.object[kind.id_key]}"


def _summary(kind: Kind[Any, Any], event: Event) -> str:
    if event.type == "VERIFY":
        return f"{event.object['verification_id']} {event.object['state']}"
    if event.type == "DELETED":
        return ""
    return kind.summary(kind.load(event.object), datetime.now(UTC))


_WRITERS: dict[Format, Callable[[Kind[Any, Any], Event], str]] = {
    Format.table: _line,
    Format.json: lambda _, event: to_json(event.document, indent=None),
    Format.yaml: lambda _, event: f"---\n{to_yaml(event.document)}".rstrip("\n"),
    Format.name: _reference,
}


def delete(
    ctx: typer.Context,
    kind: Annotated[
        str, typer.Argument(metavar="|".join(written()), autocompletion=completion.written_kinds)
    ],
    names: Annotated[list[str], typer.Argument(metavar="NAME...", autocompletion=completion.of_kind)],
) -> None:
    """Delete resources; a persona in use is refused, a workload is released first."""
    noun = noun_from(kind)
    if not HOMES[noun].is_written:
        can = " or a ".join(written())
        raise typer.BadParameter(f"{HOMES[noun].plural} cannot be deleted; name a {can}", ctx=ctx)
    pinned = [name for name in names if noun == "persona" and split(name)[1] is not None]
    if pinned:
        raise CliError(f"{pinned[0]} is one revision, and all go together", f"name {split(pinned[0])[0]}")
    delete_each(ctx, kind_named(noun), names)


def delete_each(ctx: typer.Context, kind: Kind[Any, Any], names: Sequence[str]) -> None:
    """All names are looked up before the first is deleted, so that a misspelt one deletes nothing."""
    with connect(settings_of(ctx)) as api:
        for resource in [get_known(api, kind, name) for name in names]:
            api.delete(kind, resource.name, resource.revision)
            print(f"{resource.reference} deleted")


def schema(
    kind: Annotated[str, typer.Argument(metavar="KIND", autocompletion=completion.written_kinds)] = "persona",
) -> None:
    """Print the JSON Schema of the documents of a kind, for editors and other programs."""
    noun = noun_from(kind)
    if noun == "persona":
        from netpersona.kinds.persona import json_schema

        print(to_json(json_schema()))
    else:
        print(to_json(_schema_of(kind_named(noun))))


def _schema_of(kind: Kind[Any, Any]) -> dict[str, Any]:
    """The spec's, with the name beside its keys."""
    schema = kind.spec.model_json_schema()
    name = {kind.id_key: {"type": "string", "description": f"Name of the {kind.noun}."}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "properties": name | schema.get("properties", {}),
        "required": [kind.id_key, *schema.get("required", [])],
    }
