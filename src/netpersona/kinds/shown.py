"""Text of somebody else as a terminal, a log or an error may show it."""

from __future__ import annotations

from typing import Final

BRIEF: Final = 60
"""Characters of another's text that an error repeats: enough to know it again."""


def printable(text: str, keep: str = "") -> str:
    """`text` with every control, format or line-breaking character as its escape, but those in `keep`.

    Among them are ESC and the bidirectional overrides (Unicode TR 9, 36), which make a terminal show
    something else than what is there, and lone surrogates, which cannot be encoded.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else repr(char)[1:-1] for char in text)


def brief(text: object, bound: int = BRIEF) -> str:
    """The beginning of `text`, printable, of `bound` characters at most; "…" stands for the rest."""
    whole = str(text)
    said = printable(whole[: bound + 1])
    return said if len(said) <= bound else f"{said[: bound - 1].rstrip()}…"
