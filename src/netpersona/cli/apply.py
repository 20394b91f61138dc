"""validate, diff and apply: documents, and what they would change of what is stored."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netpersona.cli import completion
from netpersona.cli.connection import Settings, connect, settings_of
from netpersona.cli.errors import CliError, warn
from netpersona.cli.output import Format, Output, View, emit

if TYPE_CHECKING:
    from netpersona.cli.documents import Document
    from netpersona.client import Client
    from netpersona.kinds.errors import Problem
    from netpersona.kinds.kind import Change, Kind, Resource

Files = Annotated[list[str], typer.Argument(metavar="FILE...", help="Files, directories, or - for stdin.")]
EMPTY = "the files hold no persona"


def validate(files: Files, output: Output = Format.table) -> None:
    """Check documents and report every problem with its file, line and key."""
    from netpersona.cli.documents import read_documents, refused

    documents, problems = read_documents(files)
    for document in documents:
        for warning in document.warnings:
            warn(f"{document.source}: {document.name}: {warning}")
    if not problems or output in (Format.json, Format.yaml):
        emit(_validated(documents, problems), output)
    if problems:
        raise refused(problems)


def _validated(documents: Sequence[Document], problems: Sequence[Problem]) -> View:
    """One entry for each document that is right, and one for each file that has problems."""
    right = [
        {"file": d.source, d.kind.id_key: d.name, "warnings": list(d.warnings), "problems": []}
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
    kinds = [document.kind for document in documents]
    return View(
        columns=("FILE", _heading(kinds), "RESULT"),
        rows=[(d.source, _named(d.kind, d.name, kinds), "ok") for d in documents],
        data=[*right, *wrong],
        names=[d.name for d in documents],
        empty=EMPTY,
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


def _heading(kinds: Iterable[Kind[Any, Any]]) -> str:
    """Of a column of names: the noun, where all are of one kind."""
    nouns = {kind.noun for kind in kinds}
    return nouns.pop().upper() if len(nouns) == 1 else "PERSONA" if not nouns else "RESOURCE"


def _named(kind: Kind[Any, Any], name: str, among: Iterable[Kind[Any, Any]]) -> str:
    """A name below such a heading."""
    return name if all(other is kind for other in among) else f"{kind.noun}/{name}"


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
    """Create or replace what documents say; with any problem in any file, nothing is sent.

    A document is known by the key of its name, as persona_id or workload_id, or says `kind: persona`.
    """
    from netpersona.cli.documents import load_documents

    documents = load_documents(file)
    for document in documents:
        for warning in document.warnings:
            warn(f"{document.name}: {warning}")
    with connect(settings_of(ctx)) as api:
        results = apply_documents(api, documents, dry_run=dry_run)
    emit(_applied(results, dry_run), output)


def load(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A file with one persona, or - for stdin.")],
    output: Output = Format.table,
) -> None:
    """Store the persona of a file; loading it again changes nothing."""
    from netpersona.cli.documents import one_document

    document = one_document(file)
    if document.kind.noun != "persona":
        raise CliError(f"{file} holds a {document.kind.noun}", f"`netpersona apply -f {file}` stores it")
    for warning in document.warnings:
        warn(f"{document.name}: {warning}")
    with connect(settings_of(ctx)) as api:
        results = apply_documents(api, [document], dry_run=False)
    emit(_applied(results, False), output)


def unload(
    ctx: typer.Context,
    persona: Annotated[str, typer.Argument(metavar="PERSONA", autocompletion=completion.personas)],
) -> None:
    """Remove a persona; refused while a workload wears it or falls back to it, and says which."""
    from netpersona.cli.resources import delete

    delete(ctx, "persona", [persona])


Applied = tuple["Document", str, "Resource[Any, Any] | None"]
"""What happened to a document, and what is stored of it now; None where nothing is."""


def apply_documents(api: Client, documents: Sequence[Document], *, dry_run: bool) -> list[Applied]:
    """The manager judges all documents before it stores the first."""
    stored = [api.find(document.kind, document.name) for document in documents]
    for document, before in zip(documents, stored, strict=True):
        if before is None or _differs(document, before):
            api.rehearse(document.kind, document.name, document.spec, before.revision if before else None)
    return [_result(api, d, before, dry_run=dry_run) for d, before in zip(documents, stored, strict=True)]


def _differs(document: Document, stored: Resource[Any, Any]) -> bool:
    return bool(document.kind.plan(stored.spec, document.spec))


def _result(api: Client, document: Document, before: Resource[Any, Any] | None, *, dry_run: bool) -> Applied:
    kind, name, spec = document.kind, document.name, document.spec
    if before is None:
        return document, "created", None if dry_run else api.create(kind, name, spec)
    if not _differs(document, before):
        return document, "unchanged", before
    return document, "replaced", None if dry_run else api.replace(kind, name, spec, before.revision)


def _applied(results: Sequence[Applied], dry_run: bool) -> View:
    """Workloads that wear what changed are told, too, where that is a persona."""
    suffix = " (dry run)" if dry_run else ""
    kinds = [document.kind for document, _, _ in results]
    with_users = not kinds or any("in_use_by" in kind.state.model_fields for kind in kinds)
    rows = [
        (_named(d.kind, d.name, kinds), f"{what}{suffix}", *([_users(now)] if with_users else []))
        for d, what, now in results
    ]
    return View(
        columns=(_heading(kinds), "RESULT", *(["IN USE BY"] if with_users else [])),
        rows=rows,
        data=[
            {
                d.kind.id_key: d.name,
                "result": what,
                "dry_run": dry_run,
                "revision": now.revision if now else None,
            }
            for d, what, now in results
        ],
        names=[f"{d.kind.noun}/{d.name}" for d, _, _ in results],
        empty=EMPTY,
    )


def _users(resource: Resource[Any, Any] | None) -> str:
    return ",".join(getattr(resource.state, "in_use_by", ()) if resource else ()) or "-"


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


Pair = tuple["Kind[Any, Any]", str, Any, Any]
"""Kind, name, and specs before and after."""


def _two(names: list[str], settings: Settings) -> Pair:
    sides = [_side(name, settings) for name in names]
    kinds = [kind for kind, _ in sides]
    if kinds[0] is not kinds[1]:
        raise CliError(
            f"{names[0]} is a {kinds[0].noun} and {names[1]} a {kinds[1].noun}", "compare two of one kind"
        )
    return kinds[0], f"{names[0]} → {names[1]}", sides[0][1], sides[1][1]


def _side(name: str, settings: Settings) -> tuple[Kind[Any, Any], Any]:
    from netpersona.cli.documents import looks_like_file, one_document
    from netpersona.cli.personas import resolve
    from netpersona.kinds.persona.kind import PERSONA

    if looks_like_file(name):
        document = one_document(name)
        return document.kind, document.spec
    return PERSONA, resolve(name, settings)


def _stored_and_files(files: list[str], settings: Settings) -> list[Pair]:
    from netpersona.cli.documents import load_documents

    documents = load_documents(files)
    with connect(settings) as api:
        stored = [api.find(d.kind, d.name) for d in documents]
    return [
        (d.kind, d.name, before.spec if before else None, d.spec)
        for d, before in zip(documents, stored, strict=True)
    ]


def _show_changes(pairs: list[Pair], output: Format, *, sides: list[str] | None) -> bool:
    """True when there is any difference. `sides` are the two names, where it is two that are compared."""
    kinds = [kind for kind, *_ in pairs]
    changes = [
        (kind, name, change)
        for kind, name, before, after in pairs
        for change in differences(kind, before, after)
    ]
    rows = [
        (_named(kind, name, kinds), c.pointer or "/", _cell(c.before), _cell(c.after), c.label)
        for kind, name, c in changes
    ]
    emit(
        View(
            columns=("KEY", *sides, "LABEL")
            if sides
            else (_heading(kinds), "KEY", "STORED", "FILE", "LABEL"),
            rows=[row[1:] for row in rows] if sides else rows,
            data=[_change(kind, name, c) for kind, name, c in changes],
            names=sorted({name for _, name, _ in changes}),
            empty="no differences",
        ),
        output,
    )
    return bool(changes)


def differences(kind: Kind[Any, Any], before: Any, after: Any) -> list[Change]:
    """What would be noticed or a reader would see; a name alone is neither."""
    changes = kind.plan(before, after)
    return [change for change in changes if before is None or change.pointer != f"/{kind.id_key}"]


def _change(kind: Kind[Any, Any], name: str, change: Change) -> dict[str, object]:
    return {
        kind.noun: name,
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
