"""`netpersona.kinds.shown` for the command line: it brings the model, so only odd text imports it."""

from __future__ import annotations


def printable(text: str, keep: str = "") -> str:
    """`text` as a terminal may show it; characters of `keep` stay."""
    if all(char.isprintable() or char in keep for char in text):
        return text
    from netpersona.kinds.shown import printable as escaped

    return escaped(text, keep)


def brief(text: str) -> str:
    """The beginning of `text`, printable: enough to know it again."""
    if len(text) <= 40 and text.isprintable():
        return text
    from netpersona.kinds.shown import brief as shortened

    return shortened(text)
