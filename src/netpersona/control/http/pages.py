"""Long lists in pieces: ``limit`` and the ``continue`` cursor.

A cursor names the last name seen, so a page is never stale; what changes meanwhile shows or not, by its name.
"""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fastapi import Query

from netpersona.control.problems import Detail, Unprocessable
from netpersona.control.resources.generic import Readable

Limit = Annotated[int, Query(ge=1, le=1000, description="Items of a page at most")]
Cursor = Annotated[
    str | None, Query(alias="continue", max_length=400, description="The 'continue' of the page before")
]


def page(found: Readable[Any, Any], revision: int, limit: int, cursor: str | None) -> dict[str, Any]:
    """Raises Unprocessable for a cursor that is not ours."""
    resources = found.list(_decode(cursor) if cursor else "", limit + 1)
    shown = resources[:limit]
    return {
        "items": [found.kind.dump(resource) for resource in shown],
        "revision": revision,
        "continue": _encode(shown[-1].name) if len(resources) > limit else None,
    }


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode()


def _decode(cursor: str) -> str:
    try:
        return base64.b64decode(cursor.encode(), b"-_", validate=True).decode()
    except ValueError:
        remedy = "leave continue out to start over"
        raise Unprocessable(
            "this cursor is not one of ours", errors=[Detail("/continue", "not a cursor", remedy, "query")]
        ) from None
