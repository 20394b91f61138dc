"""Documents at the border: what of a body is read as YAML, and where the problems of one are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from netpersona.control.problems import Detail, Unprocessable
from netpersona.kinds import yaml_format
from netpersona.kinds.documents import Document, build
from netpersona.kinds.errors import InvalidDocument, KeyPath, Problem
from netpersona.kinds.kind import Kind


def from_yaml(text: str) -> Document:
    """The one document of a YAML text, with the places of its keys. Raises Unprocessable."""
    try:
        found = [document for document in build(yaml_format.read_events(text)) if document.data is not None]
    except InvalidDocument as error:
        raise Unprocessable("the body is no YAML", errors=[_detail(p) for p in error.problems]) from None
    if len(found) != 1:
        raise Unprocessable(f"the body holds {len(found)} documents", remedy="send one per request")
    if found[0].problems:
        problems = [_detail(problem) for problem in found[0].problems]
        raise Unprocessable("the body is not valid", errors=problems)
    return found[0]


def refused(
    kind: Kind[Any, Any], problems: Iterable[Problem], document: Document | None = None
) -> Unprocessable:
    """``document`` is what was read, where places in it are known."""
    details = [_detail(problem, document) for problem in problems]
    return Unprocessable(f"the body is no valid {kind.noun}", errors=details)


def _detail(problem: Problem, document: Document | None = None) -> Detail:
    line = problem.line
    if line is None and document is not None:
        place = document.locate(_path(problem.pointer))
        line = place[0] if place else None
    said = problem.message if line is None else f"line {line}: {problem.message}"
    return Detail(problem.pointer, said, problem.remedy)


def _path(pointer: str) -> KeyPath:
    """RFC 6901 section 4; what is a number is taken for an index."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    return tuple(
        int(step) if step.isdecimal() and step.isascii() and len(step) < 7 else step for step in steps
    )
