"""What needs no manager: validate, schema, presets, explain; and diff, which may ask it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from netpersona.cli import completion
from netpersona.cli.connection import connect
from netpersona.cli.errors import unknown_name, warn
from netpersona.cli.output import Format, Output, View, emit, say, to_json
from netpersona.cli.settings import Settings, settings_of

if TYPE_CHECKING:
    from netpersona.cli.documents import Document
    from netpersona.kinds.persona import Change, Persona, Problem

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Files, directories, or - for stdin.")]


def validate(files: Files, output: Output = Format.table) -> None:
    """Check persona documents and report every problem with its file, line and key."""
    from netpersona.cli.documents import read_documents, refused

    documents, problems = read_documents(files)
    for document in documents:
        for warning in document.warnings:
            warn(f"{document.source}: {document.persona.persona_id}: {warning}")
    if not problems:
        emit(_validated(documents, problems), output)
        return
    if output in (Format.json, Format.yaml):
        emit(_validated(documents, problems), output)
    raise refused(problems)


def _validated(documents: Sequence[Document], problems: Sequence[Problem]) -> View:
    """One entry for each document that is right, and one for each file that has problems."""
    right = [
        {"file": d.source, "persona_id": d.persona.persona_id, "warnings": list(d.warnings), "problems": []}
        for d in documents
    ]
    files = dict.fromkeys(problem.file for problem in problems)
    wrong = [
        {
            "file": file,
            "persona_id": None,
            "warnings": [],
            "problems": [_problem(p) for p in problems if p.file == file],
        }
        for file in files
    ]
    return View(
        columns=("FILE", "PERSONA", "RESULT"),
        rows=[(d.source, d.persona.persona_id, "ok") for d in documents],
        data=[*right, *wrong],
        names=[d.persona.persona_id for d in documents],
        empty="the files hold no persona",
    )


def _problem(problem: Problem) -> dict[str, object]:
    """As the API gives a problem, with its place in the file."""
    return {
        "line": problem.line,
        "column": problem.column,
        "pointer": problem.pointer,
        "detail": problem.message,
        "remedy": problem.remedy,
    }


def schema() -> None:
    """Print the JSON Schema of the persona document, for editors and other programs."""
    from netpersona.kinds.persona import json_schema

    print(to_json(json_schema()))


def presets(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Print this one's document.", autocompletion=completion.presets),
    ] = None,
    output: Output = Format.table,
) -> None:
    """List the personas that come with netpersona, or print one as a document to start from."""
    from netpersona.kinds.persona import presets as known

    if name is None:
        emit(_preset_list(list(known().values())), output)
    elif name not in known():
        raise unknown_name("preset", name, known(), "netpersona presets")
    else:
        _print_document(known()[name], output)


def _preset_list(personas: list[Persona]) -> View:
    from netpersona.kinds.persona import to_mapping

    return View(
        columns=("NAME", "DESCRIPTION"),
        rows=[(p.persona_id, p.description or "") for p in personas],
        data=[to_mapping(p) for p in personas],
        names=[p.persona_id for p in personas],
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
    from netpersona.cli.documents import load_documents, looks_like_file, resolve
    from netpersona.kinds.persona import explain as explained

    if looks_like_file(persona):
        personas = [document.persona for document in load_documents([persona])]
    else:
        personas = [resolve(persona, settings_of(ctx))]
    say("\n\n".join(str(explained(p)).rstrip("\n") for p in personas))


def diff(
    ctx: typer.Context,
    personas: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[A B]", help="Two personas, presets or files.", autocompletion=completion.personas
        ),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("-f", "--file", metavar="FILE", help="Compare what is stored with these documents."),
    ] = None,
    output: Output = Format.table,
) -> None:
    """Show what would change, each change labelled live, reinit or flap; exit 1 on differences."""
    if bool(file) == bool(personas) or (personas and len(personas) != 2):
        raise typer.BadParameter("give either two personas or -f FILE", ctx=ctx)
    settings = settings_of(ctx)
    pairs = _stored_and_files(file, settings) if file else [_two(personas or [], settings)]
    if _show_changes(pairs, output, sides=personas):
        raise typer.Exit(1)


Pair = tuple[str, "Persona | None", "Persona"]


def _two(names: list[str], settings: Settings) -> Pair:
    from netpersona.cli.documents import resolve

    return f"{names[0]} → {names[1]}", resolve(names[0], settings), resolve(names[1], settings)


def _stored_and_files(files: list[str], settings: Settings) -> list[Pair]:
    from netpersona.cli.documents import load_documents
    from netpersona.kinds.persona import from_mapping

    documents = load_documents(files)
    with connect(settings) as api:
        stored = [api.find("personas", d.persona.persona_id) for d in documents]
    return [
        (d.persona.persona_id, from_mapping(s["spec"]) if s else None, d.persona)
        for d, s in zip(documents, stored, strict=True)
    ]


def _show_changes(pairs: list[Pair], output: Format, *, sides: list[str] | None) -> bool:
    """True when there is any difference. `sides` are the two personas, where it is two that are compared."""
    changes = [(name, change) for name, before, after in pairs for change in differences(before, after)]
    rows = [(n, c.pointer or "/", _cell(c.before), _cell(c.after), c.label) for n, c in changes]
    emit(
        View(
            columns=("KEY", *sides, "LABEL") if sides else ("PERSONA", "KEY", "STORED", "FILE", "LABEL"),
            rows=[row[1:] for row in rows] if sides else rows,
            data=[_change(n, c) for n, c in changes],
            names=sorted({n for n, _ in changes}),
            empty="no differences",
        ),
        output,
    )
    return bool(changes)


def differences(before: Persona | None, after: Persona) -> list[Change]:
    """What a workload would notice or a reader would see; a name alone is neither."""
    from netpersona.kinds.persona import diff as compare

    return [change for change in compare(before, after) if before is None or change.pointer != "/persona_id"]


def _change(name: str, change: Change) -> dict[str, object]:
    return {
        "persona": name,
        "pointer": change.pointer,
        "before": change.before,
        "after": change.after,
        "label": str(change.label),
    }


CELL = 60
"""Characters of a value that a table shows; JSON and YAML show all."""


def _cell(value: object) -> str:
    if value is None:
        return "-"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= CELL else f"{text[: CELL - 1]}…"
