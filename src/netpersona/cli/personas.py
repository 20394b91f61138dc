"""Personas by name: NAME@REVISION as tables print it, else presets; and the commands presets and explain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netpersona.cli import completion
from netpersona.cli.connection import Settings, connect, names, settings_of, unknown
from netpersona.cli.errors import CliError, nearest, unknown_name
from netpersona.cli.output import Format, Output, View, emit, say
from netpersona.client import ClientError, NotFound, Unreachable
from netpersona.kinds.shown import brief

if TYPE_CHECKING:
    from netpersona.client import Client
    from netpersona.kinds.kind import Resource
    from netpersona.kinds.persona import Persona

LISTINGS = ("netpersona get personas", "netpersona presets")
"""Commands that show what may be assigned."""

_PINNED = re.compile(r"([^@]*)@([1-9][0-9]{0,17})", re.ASCII)


def split(name: str) -> tuple[str, int | None]:
    """The persona's name, and its revision where one is given. Raises CliError for what is neither."""
    if "@" not in name:
        return name, None
    match = _PINNED.fullmatch(name)
    if match is None:
        raise CliError(
            f"{brief(name)} names no revision", "write NAME@REVISION, as in voip@2, or the name alone"
        )
    return match[1], int(match[2])


def find_persona(api: Client, name: str) -> Resource[Persona, Any] | None:
    """A stored persona, in the revision that is named; None when there is none of that name."""
    from netpersona.kinds.persona.kind import PERSONA

    bare, revision = split(name)
    newest = api.find(PERSONA, bare)
    if newest is None or revision is None or newest.revision == revision:
        return newest
    try:
        return api.revision(PERSONA, bare, revision)
    except NotFound as error:
        raise CliError(
            f"revision {revision} of {bare} is not kept", f"{bare}@{newest.revision} is the newest"
        ) from error


def get_persona(api: Client, name: str) -> Resource[Persona, Any]:
    """A stored persona, else a preset; an unknown name is answered with the nearest one that exists."""
    from netpersona.kinds.persona.kind import PERSONA

    found = find_persona(api, name) or find_preset(name)
    if found is None:
        raise unknown(api, PERSONA, split(name)[0])
    return found


def preset_resources() -> list[Resource[Persona, Any]]:
    """The presets as the API gives them; they come with this program, so no manager is asked."""
    from netpersona.kinds.kind import Nothing, Resource
    from netpersona.kinds.persona import presets
    from netpersona.kinds.persona.kind import PRESET

    return [Resource(PRESET, name, PRESET.write(persona), Nothing()) for name, persona in presets().items()]


def find_preset(name: str) -> Resource[Persona, Any] | None:
    return next((preset for preset in preset_resources() if preset.name == name), None)


def get_preset(name: str) -> Resource[Persona, Any]:
    """A preset; an unknown name is answered with the nearest one that exists."""
    found = find_preset(name)
    if found is None:
        raise unknown_name("preset", name, [p.name for p in preset_resources()], "netpersona presets")
    return found


def resolve(name: str, settings: Settings) -> Persona:
    """A stored persona, else a preset: the order in which `assign` looks, too."""
    from netpersona.kinds.persona import presets
    from netpersona.kinds.persona.kind import PERSONA

    stored, known = None, []
    try:
        with connect(settings) as api:
            stored = find_persona(api, name)
            known = [] if stored or name in presets() else names(api, PERSONA)
    except Unreachable as error:
        if name not in presets():
            raise _offline(name, error) from error
    if stored is not None:
        return stored.spec
    if name in presets():
        return presets()[name]
    raise unknown_name("persona or preset", name, [*known, *presets()], *LISTINGS)


def _offline(name: str, error: ClientError) -> CliError:
    guess = nearest(name, [preset.name for preset in preset_resources()])
    hint = f"did you mean {guess}? otherwise " if guess else ""
    return CliError(f"there is no preset named {name}, and {error.message}", f"{hint}{error.remedy}")


def presets(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Print this one's document.", autocompletion=completion.presets),
    ] = None,
    output: Output = Format.table,
) -> None:
    """List the personas that come with netpersona, or print one as a document to start from."""
    if name is not None:
        _print_document(get_preset(name).spec, output)
        return
    found = preset_resources()
    emit(
        View(
            columns=("NAME", "DESCRIPTION"),
            rows=[(preset.name, preset.spec.description) for preset in found],
            data=[preset.document for preset in found],
            names=[preset.name for preset in found],
        ),
        output,
    )


def _print_document(persona: Persona, output: Format) -> None:
    from netpersona.kinds.persona import dump

    if output is Format.name:
        print(persona.persona_id)
    else:
        say(dump(persona, format="json" if output is Format.json else "yaml").rstrip("\n"))


def explain(
    ctx: typer.Context,
    persona: Annotated[
        str,
        typer.Argument(
            metavar="PERSONA|FILE|PRESET",
            help="A file (with a / or ending in .yaml, .yml, .json), else a stored persona, else a preset.",
            autocompletion=completion.personas,
        ),
    ],
) -> None:
    """Say in words what a persona does to a packet in each direction, and which half does it."""
    from netpersona.cli.documents import load_personas, looks_like_file
    from netpersona.kinds.persona import explain as explained

    is_file = looks_like_file(persona)
    found = load_personas([persona]) if is_file else [resolve(persona, settings_of(ctx))]
    say("\n\n".join(str(explained(each)).rstrip("\n") for each in found))
