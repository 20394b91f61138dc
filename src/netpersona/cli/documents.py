"""Persona documents a person names: files, directories, standard input, stored personas, presets."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from netpersona.cli.errors import CliError, Unreachable, nearest, unknown_name
from netpersona.cli.settings import Settings
from netpersona.persona import Persona, PersonaError, compile_persona, from_mapping, load, loads

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
    documents: list[Document] = []
    problems: list[str] = []
    for source in _sources(names, problems):
        try:
            documents += [_compiled(source, persona) for persona in _read(source)]
        except PersonaError as error:
            problems += [str(problem) for problem in error.problems]
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{source}: cannot be read: {getattr(error, 'strerror', None) or error}")
    problems += _repeated(documents)
    if problems:
        raise CliError(_count(len(problems), "problem"), details=problems)
    return documents


def _sources(names: Iterable[str], problems: list[str]) -> Iterator[str]:
    for name in names:
        path = Path(name)
        if name == STDIN or not path.is_dir():
            yield name
            continue
        found = sorted(str(child) for child in path.iterdir() if child.suffix in SUFFIXES)
        if not found:
            problems.append(f"{name}: holds no persona document; name files ending in {', '.join(SUFFIXES)}")
        yield from found


def _read(source: str) -> list[Persona]:
    return loads(sys.stdin.read(), source="<stdin>") if source == STDIN else load(Path(source))


def _compiled(source: str, persona: Persona) -> Document:
    return Document(source, persona, tuple(compile_persona(persona).warnings))


def _repeated(documents: Sequence[Document]) -> list[str]:
    counts = Counter(document.persona.persona_id for document in documents)
    return [
        f"{', '.join(d.source for d in documents if d.persona.persona_id == name)}: "
        f"persona_id {name} is given {count} times; give each document its own"
        for name, count in counts.items()
        if count > 1
    ]


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
    from netpersona.cli.client import Api
    from netpersona.persona import presets

    stored, known = None, []
    try:
        with Api(settings) as api:
            stored = api.find("personas", name)
            known = [] if stored or name in presets() else api.names("personas")
    except Unreachable as error:
        if name not in presets():
            raise _offline(name, presets(), error) from error
    if stored is not None:
        return from_mapping(stored["spec"])
    if name in presets():
        return presets()[name]
    raise unknown_name("persona or preset", name, [*known, *presets()], *LISTINGS)


def _offline(name: str, presets: Iterable[str], error: Unreachable) -> CliError:
    guess = nearest(name, presets)
    hint = f"did you mean {guess}? otherwise " if guess else ""
    return CliError(f"there is no preset named {name}, and {error.message}", f"{hint}{error.remedy}")
