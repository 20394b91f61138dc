"""Persona files: found, read with every problem at once, and written."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from netpersona.kinds import json_format, yaml_format
from netpersona.kinds.documents import Document, Event, Place, build
from netpersona.kinds.errors import KeyPath, PersonaError, Problem
from netpersona.kinds.persona.mapping import from_mapping, is_persona_id, to_mapping
from netpersona.kinds.persona.model import Persona

Format = Literal["yaml", "json"]

MAX_BYTES = 2**20
SUFFIXES: dict[str, Format] = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}


def load(path: str | Path) -> list[Persona]:
    """Personas of a file, or of all .yaml, .yml and .json files in a directory, in order.

    A document that does not name itself is called after its file. Raises PersonaError with every
    problem of every file.
    """
    path = Path(path)
    files = _files(path) if path.is_dir() else [path]
    return _all(files, _load_file)


def _files(directory: Path) -> list[Path]:
    files = sorted(file for file in directory.iterdir() if file.suffix in SUFFIXES)
    if not files:
        raise PersonaError(
            [Problem("no persona files here", "add .yaml or .json files", file=str(directory))]
        )
    return files


def _load_file(path: Path) -> list[Persona]:
    try:
        content = _content(path)
    except OSError as error:
        remedy = "check the path and its permissions"
        raise PersonaError([Problem(f"cannot be read: {error.strerror}", remedy, file=str(path))]) from None
    default_id = path.stem if is_persona_id(path.stem) else None
    return loads(content, source=str(path), format=SUFFIXES.get(path.suffix), default_id=default_id)


def _content(path: Path) -> bytes:
    """At most a byte more than a document may have, of a regular file: a pipe or device may have no end."""
    _check_regular(path, path.stat().st_mode)
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        _check_regular(path, os.fstat(file.fileno()).st_mode)
        return file.read(MAX_BYTES + 1)


def _check_regular(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        what = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFDIR: "a directory"}
        message = f"{what.get(stat.S_IFMT(mode), 'a device')}, not a file"
        raise PersonaError([Problem(message, "name a file, or pipe it into -", file=str(path))])


def loads(
    text: str | bytes,
    *,
    source: str = "<text>",
    format: Format | None = None,
    default_id: str | None = None,
) -> list[Persona]:
    """Personas of a text: YAML documents, or JSON; a list holds several.

    Without `format`, what starts with a brace or bracket is JSON if it can be read as such. `source`
    names the text in errors. Raises PersonaError with every problem found.
    """
    try:
        content = _decoded(text)
    except PersonaError as error:
        raise _named(error, source) from None
    problems: list[Problem] = []
    personas: list[Persona] = []
    for document in _documents(content, format or _guess(content), problems):
        problems += document.problems
        _take(document, source, default_id, personas, problems)
    if not personas and not problems:
        problems.append(Problem("there is no persona in it", "write one, starting with persona_id: …"))
    problems += _twice(personas)
    if problems:
        raise _named(PersonaError(problems), source)
    return personas


def _decoded(text: str | bytes) -> str:
    if len(text) > MAX_BYTES:
        raise PersonaError([Problem("larger than 1 MiB", "spread the personas over several files")])
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise PersonaError([Problem("not UTF-8 text", "save the file as UTF-8", line=line)]) from None


def _guess(text: str) -> Format:
    if not text.lstrip().startswith(("{", "[")):
        return "yaml"
    try:
        for _ in json_format.read_events(text):
            break
    except PersonaError:
        return "yaml"
    return "json"


def _documents(text: str, format: Format, problems: list[Problem]) -> Iterator[Document]:
    """Documents that can be read; what cannot is added to the problems."""
    read: Callable[[str], Iterator[Event]] = (
        json_format.read_events if format == "json" else yaml_format.read_events
    )
    try:
        yield from (document for document in build(read(text)) if document.data is not None)
    except PersonaError as error:
        problems += error.problems


def _take(
    document: Document, source: str, default_id: str | None, personas: list[Persona], problems: list[Problem]
) -> None:
    listed = isinstance(document.data, list)
    for index, data in enumerate(document.data if listed else [document.data]):
        prefix: KeyPath = (index,) if listed else ()
        try:
            persona = from_mapping(
                data,
                source=source,
                default_id=default_id,
                locate=partial(_locate, document, prefix),
            )
            personas.append(persona)
        except PersonaError as error:
            problems += error.problems


def _locate(document: Document, prefix: KeyPath, path: KeyPath) -> Place | None:
    return document.locate((*prefix, *path))


def _twice(personas: Iterable[Persona]) -> Iterator[Problem]:
    seen: set[str] = set()
    for persona in personas:
        if persona.persona_id in seen:
            yield Problem(f"persona_id {persona.persona_id} is used twice", "rename one of the two")
        seen.add(persona.persona_id)


def _named(error: PersonaError, source: str) -> PersonaError:
    return PersonaError(replace(problem, file=source) for problem in error.problems)


def _all(files: Iterable[Path], read: Callable[[Path], list[Persona]]) -> list[Persona]:
    personas: list[Persona] = []
    problems: list[Problem] = []
    for file in files:
        try:
            personas += read(file)
        except PersonaError as error:
            problems += error.problems
    problems += _twice(personas) if not problems else ()
    if problems:
        raise PersonaError(problems)
    return personas


def dump(persona: Persona, format: Format = "yaml") -> str:
    """The canonical document as text; it loads back as an equal persona."""
    document = to_mapping(persona)
    if format == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return yaml_format.write(document)
