"""What a YAML parser stumbled over, in words a person can act on."""

from __future__ import annotations

import re

from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from netpersona.kinds.documents import Place, stop
from netpersona.kinds.errors import InvalidDocument
from netpersona.kinds.shown import brief

_CORRECT = "correct the syntax here or just before"

# What ruamel's messages begin with or hold, the message and the remedy.
_WORDS = (
    (r"found character '\\t'", "a tab where YAML allows none", "indent with spaces"),
    (r"found character '(.)'", "no plain text starts with {0}", "put the text in quotes"),
    (r"could not find expected ':'", "a key without a colon", "write key: value"),
    (
        r"mapping values are not allowed",
        "a second colon in one line",
        "start a new line, or put text that holds a colon in quotes",
    ),
    (r"expected ',' or '(.)'", "the brackets do not close here", "write a comma, or {0} to close"),
    (r"found unexpected end of stream", "a quote that is not closed", "write the closing quote"),
    (r"expected <block end>", "the indentation does not fit", "indent it as the keys it belongs to"),
    (
        r"expected '<document start>'",
        "something follows the end of the document",
        "separate documents by ---",
    ),
)


def not_yaml(error: Exception, text: str) -> InvalidDocument:
    """The error for a text that is no YAML.

    ruamel lets ValueError, OverflowError, IndexError and others escape for characters, escapes and
    directives it did not expect; whatever it is, the text is not a document.
    """
    if isinstance(error, MarkedYAMLError):
        message, remedy = _said(str(error.problem or error.context or "no document"))
        return stop(f"not YAML: {message}", remedy, _place(error))
    if isinstance(error, ReaderError):
        message = f"the character U+{int(error.character):04X} may not stand in YAML"
        return stop(f"not YAML: {message}", "remove it, or write it as an escape in quotes", _at(text, error))
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return stop(f"not YAML: {brief(first)}", _CORRECT, None)


def _said(problem: str) -> tuple[str, str]:
    for pattern, message, remedy in _WORDS:
        if match := re.search(pattern, problem):
            return message.format(*match.groups()), remedy.format(*match.groups())
    return brief(problem), _CORRECT


def _place(error: MarkedYAMLError) -> Place | None:
    """Where it began, for a key that never met its colon; else where the parser stopped."""
    key = "expected ':'" in str(error.problem) and error.context_mark is not None
    mark = error.context_mark if key else error.problem_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else None


def _at(text: str, error: ReaderError) -> Place:
    before = text[: error.position]
    return before.count("\n") + 1, len(before) - before.rfind("\n")
