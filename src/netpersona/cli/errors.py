"""What can go wrong in a command, and how it is said.

CliError            one line and what to do about it; exit 1
├─ ApiError         the manager refused; carries its problem document (RFC 9457)
└─ Unreachable      the manager did not answer
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, TextIO

from netpersona.cli.printable import brief, printable

MOST_DETAILS = 100
"""Problems that a terminal shows; `-o json` has all."""


class CliError(Exception):
    """A failure a person can act on. `details` are further lines, one problem each."""

    def __init__(self, message: str, remedy: str | None = None, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = tuple(details)


class Unreachable(CliError):
    """No manager answered at the address asked."""


class ApiError(CliError):
    """The manager answered 4xx or 5xx."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        message = str(problem.get("detail") or problem.get("title") or f"the manager answered {status}")
        errors = _errors_of(problem)
        if len(errors) == 1 and errors[0].get("detail") == message:
            super().__init__(_placed(errors[0]), remedy=str(errors[0].get("remedy") or "") or None)
        else:
            super().__init__(message, details=[_line(error) for error in errors])
        self.status = status
        self.problem = dict(problem)


def _errors_of(problem: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    errors = problem.get("errors")
    return [error for error in errors if isinstance(error, Mapping)] if isinstance(errors, list) else []


def _placed(error: Mapping[str, Any]) -> str:
    """A problem with its JSON pointer (RFC 6901), unless that is the whole document's."""
    detail = str(error.get("detail") or "is not valid")
    return f"{error['pointer']}: {detail}" if error.get("pointer") else detail


def _line(error: Mapping[str, Any]) -> str:
    return f"{_placed(error)}; {error['remedy']}" if error.get("remedy") else _placed(error)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name a person most likely meant, or None when nothing is close."""
    names = list(known)
    holding = sorted((candidate for candidate in names if name and name in candidate), key=len)
    return next(iter([*get_close_matches(name, names, n=1, cutoff=0.5), *holding]), None)


def unknown_name(what: str, name: str, known: Iterable[str], *listings: str) -> CliError:
    """`listings` are the commands that show the names that exist."""
    guess = nearest(name, known)
    remedy = f"did you mean {guess}? " if guess else ""
    shown = " and ".join(f"`{listing}`" for listing in listings)
    return CliError(
        f"there is no {what} named {brief(name)}",
        f"{remedy}{shown} list{'s' if len(listings) == 1 else ''} them",
    )


def report(error: CliError, stream: TextIO | None = None) -> None:
    """Details first, as a compiler does; the summary is the last thing a person sees."""
    stream = stream or sys.stderr
    for detail in error.details[:MOST_DETAILS]:
        print(printable(detail), file=stream)
    if len(error.details) > MOST_DETAILS:
        print(f"… and {len(error.details) - MOST_DETAILS:,} more", file=stream)
    remedy = f"; {error.remedy}" if error.remedy else ""
    print(f"{paint('error:', '1;31', stream)} {printable(error.message + remedy)}", file=stream)


def warn(message: str) -> None:
    print(f"{paint('warning:', '1;33', sys.stderr)} {printable(message)}", file=sys.stderr)


def note(message: str) -> None:
    """Progress and other remarks: never data, so never on stdout."""
    print(printable(message, keep="\n"), file=sys.stderr)


def paint(text: str, sgr: str, stream: TextIO) -> str:
    """Colour `text` (SGR code, ECMA-48 §8.3.117) only on a terminal, and not under NO_COLOR."""
    if os.environ.get("NO_COLOR") or not stream.isatty():
        return text
    return f"\x1b[{sgr}m{text}\x1b[0m"
