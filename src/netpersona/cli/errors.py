"""What can go wrong in a command, and how it is said. What the manager raises is `netpersona.client`'s."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TextIO

from netpersona.client import ApiError, ClientError
from netpersona.kinds.shown import brief, printable

MOST_DETAILS = 100
"""Problems that a terminal shows; `-o json` has all."""


class CliError(Exception):
    """A command that cannot be done; exit 1. `details` are further lines, one problem each."""

    def __init__(self, message: str, remedy: str | None = None, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = tuple(details)


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


_COMMANDS = (
    (r"create it with POST /v1/\w+", "store it with `netpersona apply -f FILE`"),
    (r"PUT /v1/\w+/\{\w+\} replaces it", "`netpersona apply -f FILE` replaces it"),
    (r"PUT /v1/workloads/\{\w+\}/persona assigns", "`netpersona assign WORKLOAD PERSONA` assigns"),
    (r"PUT /v1/workloads/\{\w+\}/adaptation enables", "`netpersona adapt enable WORKLOAD` enables"),
    (r"DELETE its persona to release it", "`netpersona release WORKLOAD` takes off what it wears"),
    (r"send allow_disruptive: true", "give --allow-disruptive"),
    (r"ask for a new one with POST", "ask for a new one with `netpersona verify WORKLOAD`"),
    (r"GET /v1/(\w+)", r"`netpersona get \1`"),
    (r"(see|write a path as) /openapi\.json.*", "use the command that came with this manager"),
)
"""How the API says what to do, and which command does it."""


def in_commands(error: ApiError) -> None:
    """Say what to do in commands instead of requests."""
    if error.status in (412, 428):  # headers that a command sends by itself
        error.details, error.remedy = (), "others changed it meanwhile: run the command again"
        return
    error.details = tuple(map(_in_commands, error.details))
    error.remedy = _in_commands(error.remedy) if error.remedy else None


def _in_commands(text: str) -> str:
    for request, command in _COMMANDS:
        text = re.sub(request, command, text)
    return text


def report(error: CliError | ClientError, stream: TextIO | None = None) -> None:
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
