"""JSON (RFC 8259) read with the place of every key."""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, NoReturn

from netpersona.kinds.documents import MAX_DEPTH, Event, Place, stop, whole

# Once json.loads has accepted a text, this finds the same tokens in it.
_TOKEN = re.compile(r'[ \t\r\n,:]*(?:([{\[])|([}\]])|("(?:[^"\\]|\\.)*")|([^ \t\r\n,:{}\[\]"]+))', re.DOTALL)


class _Places:
    """Line and column of an offset, from 1."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def __call__(self, offset: int) -> Place:
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


def read_events(text: str) -> Iterator[Event]:
    """Events of one JSON text. Raises InvalidDocument where it is not JSON."""
    place = _Places(text)
    _check_depth(text, place)
    _check_syntax(text)
    for match in _TOKEN.finditer(text):
        opening, closing, string, literal = match.groups()
        where = place(match.start(match.lastindex or 0))
        if opening:
            yield Event("mapping" if opening == "{" else "list", where)
        elif closing:
            yield Event("end", where)
        else:
            yield Event("scalar", where, json.loads(string) if string else _literal(literal))


def _check_depth(text: str, place: _Places) -> None:
    """Before json.loads, which recurses."""
    depth = 0
    for match in _TOKEN.finditer(text):
        depth += bool(match[1]) - bool(match[2])
        if depth > MAX_DEPTH:
            raise stop(
                f"nested deeper than {MAX_DEPTH} levels", "a persona needs 5 at most", place(match.start(1))
            )


def _check_syntax(text: str) -> None:
    try:
        json.loads(text, parse_constant=_refuse_constant, parse_int=str)
    except json.JSONDecodeError as error:
        place = (error.lineno, error.colno)
        raise stop(f"not JSON: {error.msg}", "correct the syntax here or just before", place) from None


def _refuse_constant(name: str) -> NoReturn:
    raise stop(f"{name} is not JSON", "write a number", None)


def _literal(text: str) -> Any:
    """A number, true, false or null."""
    return whole(text) if text.lstrip("-").isdigit() else json.loads(text)
