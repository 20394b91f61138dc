"""Conditional requests, RFC 9110 section 13, over revisions: the ETag of revision 7 is ``"7"``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from netpersona.control.problems import Detail, PreconditionFailed, PreconditionRequired


def etag(revision: int) -> str:
    return f'"{revision}"'


@dataclass(frozen=True, slots=True)
class Precondition:
    """What a client knows of the resource it writes. ``None``: the header was not sent."""

    if_match: str | None = None
    if_none_match: str | None = None

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Precondition:
        return cls(headers.get("if-match"), headers.get("if-none-match"))

    def check(self, revision: int, *, required: bool = False) -> None:
        """Holds the headers against what is stored; 0 is nothing.

        ``required``: replacing something needs ``If-Match``, lest one client undo another's change.

        Raises:
            PreconditionFailed, PreconditionRequired
        """
        if self.if_match is not None and not _matches(self.if_match, revision):
            raise PreconditionFailed(*_stale(revision), errors=[_detail("If-Match", revision)])
        if self.if_none_match is not None and _matches(self.if_none_match, revision):
            raise PreconditionFailed(*_stale(revision), errors=[_detail("If-None-Match", revision)])
        if required and revision and self.if_match is None:
            raise PreconditionRequired(
                "replacing what exists needs the header If-Match", errors=[_detail("If-Match", revision)]
            )


ALWAYS: Final = Precondition()


def _matches(header: str, revision: int) -> bool:
    """Strong comparison: a weak tag, ``W/"7"``, matches nothing."""
    tags = {tag.strip() for tag in header.split(",")}
    return bool(revision) and ("*" in tags or etag(revision) in tags)


def _stale(revision: int) -> tuple[str]:
    return (f"it is at revision {revision}" if revision else "it does not exist",)


def _detail(header: str, revision: int) -> Detail:
    now = f"the ETag is now {etag(revision)}" if revision else "there is nothing with this name"
    return Detail(f"/{header}", now, "read the resource again and send its ETag in If-Match", "header")
