"""Persona documents a person names: files, directories, standard input, stored personas, presets."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from netpersona.cli.connection import connect, names
from netpersona.cli.errors import CliError, nearest, note, unknown_name, warn
from netpersona.cli.settings import Settings
from netpersona.client import Unreachable
from netpersona.kinds.persona import (
    Persona,
    PersonaError,
    Problem,
    compile_persona,
    from_mapping,
    load,
    loads,
    presets,
)
from netpersona.kinds.persona.formats import MAX_BYTES

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"
LISTINGS = ("netpersona get personas", "netpersona presets")
"""Commands that show what may be assigned."""


@dataclass(frozen=True)
class Document:
    source: str
    persona: Persona
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
                documents += [_compiled(source, persona) for persona in _read(source)]
            except PersonaError as error:
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


def _read(source: str) -> list[Persona]:
    return loads(_piped(), source="<stdin>") if source == STDIN else load(Path(source))


def _piped() -> bytes:
    """Standard input, at most a byte more than a document may have: it may have no end."""
    if sys.stdin is None:
        raise PersonaError([Problem("standard input is closed", "pipe a document into it", file="<stdin>")])
    if sys.stdin.isatty():
        note("reading the terminal until Ctrl-D")
    return sys.stdin.buffer.read(MAX_BYTES + 1)


def _compiled(source: str, persona: Persona) -> Document:
    return Document(source, persona, (*compile_persona(persona).warnings, *_shadowing(persona)))


def _shadowing(persona: Persona) -> Iterator[str]:
    """A stored persona goes before the preset of its name, and a reader may think of the other."""
    known = presets()
    if persona.persona_id in known and persona != known[persona.persona_id]:
        yield "hides the preset of this name; give it another name, unless that is meant"


def _repeated(documents: Sequence[Document]) -> Iterator[Problem]:
    counts = Counter(document.persona.persona_id for document in documents)
    for name, count in counts.items():
        if count > 1:
            sources = ", ".join(d.source for d in documents if d.persona.persona_id == name)
            message = f"persona_id {name} is given {count} times"
            yield Problem(message, "give each document its own", file=sources)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def looks_like_file(name: str) -> bool:
    return name == STDIN or "/" in name or name.endswith(SUFFIXES)


def one_document(name: str) -> Persona:
    """The only persona of a file."""
    documents = load_documents([name])
    if len(documents) != 1:
        found = ", ".join(d.persona.persona_id for d in documents) or "none"
        raise CliError(f"{name} holds {len(documents)} personas ({found})", "name a file with one")
    return documents[0].persona


def resolve(name: str, settings: Settings) -> Persona:
    """A file, else a stored persona, else a preset: the order in which `assign` looks too."""
    if looks_like_file(name):
        return one_document(name)
    from netpersona.cli.revisions import find_persona

    stored, known = None, []
    try:
        with connect(settings) as api:
            stored = find_persona(api, name)
            known = [] if stored or name in presets() else names(api, "personas")
    except Unreachable as error:
        if name not in presets():
            raise _offline(name, presets(), error) from error
    if stored is not None:
        return from_mapping(stored["spec"])
    if name in presets():
        return presets()[name]
    raise unknown_name("persona or preset", name, [*known, *presets()], *LISTINGS)


def _offline(name: str, known: Iterable[str], error: Unreachable) -> CliError:
    guess = nearest(name, known)
    hint = f"did you mean {guess}? otherwise " if guess else ""
    return CliError(f"there is no preset named {name}, and {error.message}", f"{hint}{error.remedy}")
