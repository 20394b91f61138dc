"""What kinds raise.

Exception
├─ ValueError
│   └─ Refused         one value that a unit or a model turns down; never leaves this package's loaders
└─ InvalidDocument     a document that was refused, with every problem found in it
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netpersona.kinds.shown import brief, printable

KeyPath = tuple[str | int, ...]


def pointer(path: KeyPath) -> str:
    """JSON pointer (RFC 6901) of a path of keys and indices; the document itself is ""."""
    text = "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return text.encode("utf-8", "replace").decode()


POINTER = 80
"""Characters of a pointer that a person is shown; keys are as long as who wrote them liked."""


class Refused(ValueError):
    """A value was turned down. `at` leads from the value that was checked to the part at fault."""

    def __init__(self, message: str, remedy: str, at: KeyPath = ()) -> None:
        super().__init__(message)
        self.message, self.remedy, self.at = message, remedy, at


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a document. `line` and `column` count from 1."""

    message: str
    remedy: str
    pointer: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        """For a person: printable, and of a long key the beginning only."""
        file = None if self.file is None else printable(self.file)
        place = ":".join(str(part) for part in (file, self.line, self.column) if part is not None)
        head = ": ".join(part for part in (place, brief(self.pointer, POINTER), self.message) if part)
        return f"{head}; {self.remedy}" if self.remedy else head


class InvalidDocument(Exception):
    """A document was refused. `problems` holds all that is wrong with it, in document order."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
