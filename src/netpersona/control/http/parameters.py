"""Parameters of the query: one that is not known is refused, lest ``?dry-run=1`` write."""

from __future__ import annotations

from difflib import get_close_matches

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from netpersona.control.problems import BadRequest, Detail
from netpersona.kinds.shown import brief


async def known_parameters(request: Request) -> None:
    """A dependency of every route. Raises BadRequest."""
    if not request.scope["query_string"]:
        return
    route = request.scope["route"]
    known = _parameters(route.dependant) if isinstance(route, APIRoute) else []
    details = [
        Detail(f"/{name}", "there is no such parameter", _remedy(name, known), "query")
        for name in request.query_params.keys() - known
    ]
    if details:
        names = ", ".join(brief(name, 30) for name in sorted(request.query_params.keys() - known))
        raise BadRequest(f"this call has no parameter {brief(names)}", errors=details)


def _parameters(dependant: Dependant) -> list[str]:
    inner = [name for one in dependant.dependencies for name in _parameters(one)]
    return [field.alias for field in dependant.query_params] + inner


def _remedy(name: str, known: list[str]) -> str:
    if not known:
        return "remove it; this call takes none"
    guess = get_close_matches(name[:100], known, n=1)
    return f"{f'write {guess[0]}; ' if guess else ''}there are {', '.join(known)}"
