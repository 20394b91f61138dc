"""Documents of any kind that a person names: files, directories, standard input."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netpersona.cli.errors import CliError, note, warn
from netpersona.kinds.errors import InvalidDocument, Problem
from netpersona.kinds.files import MAX_BYTES, SUFFIXES, Written, load, loads
from netpersona.kinds.kind import Kind
from netpersona.kinds.persona import Persona, presets
from netpersona.kinds.registry import recognised

STDIN = "-"


@dataclass(frozen=True)
class Document:
    """A document, where it was read, and what it still deserves a warning for."""

    source: str
    kind: Kind[Any, Any]
    name: str
    spec: Any
    warnings: tuple[str, ...] = ()


def load_documents(names: Sequence[str]) -> list[Document]:
    """Every document of every file, or one CliError that lists every problem of them all."""
    documents, problems = read_documents(names)
    if problems:
        raise refused(problems)
    return documents


def refused(problems: Sequence[Problem]) -> CliError:
    return CliError(_count(len(problems), "problem"), details=[str(problem) for problem in problems])


def read_documents(names: Sequence[str]) -> tuple[list[Document], list[Problem]]:
    """Every document that is right, and what is wrong with the others."""
    documents: list[Document] = []
    problems: list[Problem] = []
    for name in names:
        for source in _sources(name, problems):
            try:
                documents += [_checked(source, written) for written in _read(source)]
            except InvalidDocument as error:
                problems += error.problems
            except OSError as error:
                problems.append(_unreadable(source, error))
    return documents, [*problems, *_repeated(documents)]


def _unreadable(source: str, error: OSError) -> Problem:
    remedy = "check the path and its permissions"
    return Problem(f"cannot be read: {error.strerror or error}", remedy, file=source)


def _sources(name: str, problems: list[Problem]) -> list[str]:
    """The file itself, or the documents of a directory; those of directories within it are left out aloud."""
    if name == STDIN:
        return [name]
    if not name:
        problems.append(Problem("an empty word is not a file", "name a file, a directory, or - for stdin"))
        return []
    try:
        if not Path(name).is_dir():
            return [name]
        children = sorted(Path(name).iterdir())
    except OSError as error:
        problems.append(_unreadable(name, error))
        return []
    for child in children:
        if child.is_dir() and not child.name.startswith("."):
            warn(f"{child}/ is a directory and was left out; name it, too, if it holds personas")
    found = [str(child) for child in children if child.suffix in SUFFIXES and not child.is_dir()]
    if not found:
        remedy = f"name files ending in {', '.join(SUFFIXES)}"
        problems.append(Problem("holds no persona document", remedy, file=name))
    return found


def _read(source: str) -> list[Written[Any]]:
    if source == STDIN:
        return loads(_piped(), recognised, source="<stdin>")
    return load(Path(source), recognised)


def _piped() -> bytes:
    """Standard input, at most a byte more than a document may have: it may have no end."""
    if sys.stdin is None:
        raise InvalidDocument(
            [Problem("standard input is closed", "pipe a document into it", file="<stdin>")]
        )
    if sys.stdin.isatty():
        note("reading the terminal until Ctrl-D")
    return sys.stdin.buffer.read(MAX_BYTES + 1)


def _checked(source: str, written: Written[Any]) -> Document:
    kind, name, spec = written.kind, written.name, written.spec
    return Document(source, kind, name, spec, (*kind.check(spec), *_shadowing(spec)))


def _shadowing(spec: object) -> Iterator[str]:
    """A stored persona goes before the preset of its name, and a reader may think of the other."""
    preset = presets().get(spec.persona_id) if isinstance(spec, Persona) else None
    if preset is not None and spec != preset:
        yield "hides the preset of this name; give it another name, unless that is meant"


def _repeated(documents: Sequence[Document]) -> Iterator[Problem]:
    sources: dict[tuple[str, str], list[str]] = defaultdict(list)
    for document in documents:
        sources[document.kind.id_key, document.name].append(document.source)
    for (key, name), given in sources.items():
        if len(given) > 1:
            message = f"{key} {name} is given {len(given)} times"
            yield Problem(message, "give each document its own", file=", ".join(given))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def looks_like_file(name: str) -> bool:
    return name == STDIN or "/" in name or name.endswith(tuple(SUFFIXES))


def load_personas(names: Sequence[str]) -> list[Persona]:
    """Raises CliError for documents of other kinds, too."""
    documents = load_documents(names)
    for document in documents:
        if not isinstance(document.spec, Persona):
            raise CliError(f"{document.source} holds a {document.kind.noun}", "name a file with a persona")
    return [document.spec for document in documents]


def one_document(name: str) -> Document:
    """The only document of a file."""
    documents = load_documents([name])
    if len(documents) != 1:
        found = ", ".join(d.name for d in documents) or "none"
        nouns = {d.kind.plural for d in documents}
        what = nouns.pop() if len(nouns) == 1 else "documents"
        raise CliError(f"{name} holds {len(documents)} {what} ({found})", "name a file with one")
    return documents[0]
