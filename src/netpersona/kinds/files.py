"""Files of documents of any kind: found, read with every problem at once and its place."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from netpersona.kinds import json_format, yaml_format
from netpersona.kinds.documents import Document, Event, build
from netpersona.kinds.errors import InvalidDocument, KeyPath, Problem, pointer
from netpersona.kinds.kind import Kind

Format = Literal["yaml", "json"]
Recognise = Callable[[object], tuple[Kind[Any, Any], object]]
"""From plain data to the kind that reads it, and what it reads; `registry.recognised` is one."""

S = TypeVar("S", bound=BaseModel)

MAX_BYTES = 2**20
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""Of a file name that is taken for a name: a DNS label (RFC 1123), which every kind allows."""
SUFFIXES: dict[str, Format] = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}


@dataclass(frozen=True, slots=True)
class Written(Generic[S]):
    """A document that was read."""

    kind: Kind[S, Any]
    name: str
    spec: S


def load(path: Path, recognise: Recognise) -> list[Written[Any]]:
    """Documents of a file, in order. One that does not name itself is called after its file.

    Raises InvalidDocument with every problem, and OSError.
    """
    return loads(
        _content(path),
        recognise,
        source=str(path),
        format=SUFFIXES.get(path.suffix),
        default_name=path.stem if _LABEL.fullmatch(path.stem) else None,
    )


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
        raise InvalidDocument([Problem(message, "name a file, or pipe it into -", file=str(path))])


def loads(
    text: str | bytes,
    recognise: Recognise,
    *,
    source: str = "<text>",
    format: Format | None = None,
    default_name: str | None = None,
) -> list[Written[Any]]:
    """Documents of a text: YAML, or JSON; a list holds several.

    Without `format`, what starts with a brace or bracket is JSON if it can be read as such. `source` names
    the text in errors. Raises InvalidDocument with every problem found.
    """
    problems: list[Problem] = []
    found: list[Written[Any]] = []
    try:
        content = _decoded(text)
        for document in _documents(content, format or _guess(content), problems):
            problems += document.problems
            _take(document, recognise, default_name, found, problems)
    except InvalidDocument as error:
        problems += error.problems
    if not found and not problems:
        problems.append(Problem("there is no persona in it", "write one, starting with persona_id: …"))
    problems += twice(found)
    if problems:
        raise InvalidDocument(replace(problem, file=source) for problem in problems)
    return found


def _decoded(text: str | bytes) -> str:
    if len(text) > MAX_BYTES:
        raise InvalidDocument([Problem("larger than 1 MiB", "spread the personas over several files")])
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise InvalidDocument([Problem("not UTF-8 text", "save the file as UTF-8", line=line)]) from None


def _guess(text: str) -> Format:
    if not text.lstrip().startswith(("{", "[")):
        return "yaml"
    try:
        for _ in json_format.read_events(text):
            break
    except InvalidDocument:
        return "yaml"
    return "json"


def _documents(text: str, format: Format, problems: list[Problem]) -> Iterator[Document]:
    """Documents that can be read; what cannot is added to the problems."""
    read: Callable[[str], Iterator[Event]] = (
        json_format.read_events if format == "json" else yaml_format.read_events
    )
    try:
        yield from (document for document in build(read(text)) if document.data is not None)
    except InvalidDocument as error:
        problems += error.problems


def _take(
    document: Document,
    recognise: Recognise,
    default_name: str | None,
    found: list[Written[Any]],
    problems: list[Problem],
) -> None:
    listed = isinstance(document.data, list)
    for index, data in enumerate(document.data if listed else [document.data]):
        try:
            kind, own = recognise(data)
            found.append(Written(kind, *kind.read(own, default_name)))
        except InvalidDocument as error:
            problems += _placed(error.problems, document, (index,) if listed else ())


def _placed(problems: Iterable[Problem], document: Document, prefix: KeyPath) -> list[Problem]:
    """Each with the place of the longest part of its pointer that is in the document, in their order."""
    places = {pointer(path): place for path, place in document.places.items()}
    placed = []
    for problem in problems:
        at = pointer(prefix) + problem.pointer
        while at and at not in places:
            at = at.rpartition("/")[0]
        line, column = places.get(at) or (None, None)
        placed.append(replace(problem, line=line, column=column))
    return sorted(placed, key=lambda problem: (problem.line or 0, problem.column or 0))


def twice(found: Iterable[Written[Any]]) -> Iterator[Problem]:
    """A problem for each name that was given before."""
    seen: set[tuple[str, str]] = set()
    for written in found:
        this = written.kind.id_key, written.name
        if this in seen:
            yield Problem(f"{' '.join(this)} is used twice", "rename one of the two")
        seen.add(this)
