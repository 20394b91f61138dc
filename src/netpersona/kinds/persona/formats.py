"""Persona files: read with every problem at once, and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from netpersona.kinds import files, yaml_format
from netpersona.kinds.errors import InvalidDocument, Problem
from netpersona.kinds.files import SUFFIXES, Format, Written
from netpersona.kinds.kind import Kind
from netpersona.kinds.persona.kind import PERSONA
from netpersona.kinds.persona.mapping import to_mapping
from netpersona.kinds.persona.model import Persona


def _only(document: object) -> tuple[Kind[Any, Any], object]:
    return PERSONA, document


def load(path: str | Path) -> list[Persona]:
    """Personas of a file, or of all .yaml, .yml and .json files in a directory, in order.

    A document that does not name itself is called after its file. Raises InvalidDocument with every
    problem of every file.
    """
    found: list[Written[Persona]] = []
    problems: list[Problem] = []
    for file in _files(Path(path)):
        try:
            found += files.load(file, _only)
        except InvalidDocument as error:
            problems += error.problems
        except OSError as error:
            remedy = "check the path and its permissions"
            problems.append(Problem(f"cannot be read: {error.strerror}", remedy, file=str(file)))
    if problems := problems or list(files.twice(found)):
        raise InvalidDocument(problems)
    return [written.spec for written in found]


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if not found:
        raise InvalidDocument([Problem("no persona files here", "add .yaml or .json files", file=str(path))])
    return found


def loads(
    text: str | bytes,
    *,
    source: str = "<text>",
    format: Format | None = None,
    default_id: str | None = None,
) -> list[Persona]:
    """Personas of a text, as `files.loads` reads it. Raises InvalidDocument with every problem found."""
    found = files.loads(text, _only, source=source, format=format, default_name=default_id)
    return [written.spec for written in found]


def dump(persona: Persona, format: Format = "yaml") -> str:
    """The canonical document as text; it loads back as an equal persona."""
    document = to_mapping(persona)
    if format == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return yaml_format.write(document)
