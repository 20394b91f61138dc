"""Answers: bytes made once, and what OpenAPI says about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import Response
from pydantic import BaseModel

from netpersona.control.models import ProblemDocument
from netpersona.control.preconditions import etag
from netpersona.control.problems import PROBLEM_MEDIA_TYPE
from netpersona.control.watch.feed import dumps

REFUSALS: Final = {
    400: "There is no such parameter, or the body is not JSON (or YAML) in UTF-8",
    401: "No bearer token, or an unknown one; the Unix socket needs none",
    403: "A page of another site asks (Origin)",
    404: "There is no such thing",
    409: "The present state forbids it",
    410: "That revision is no longer held; watch without revision",
    412: "If-Match or If-None-Match does not hold",
    413: "The body is larger than 1 MiB",
    415: "The body has another media type",
    421: "Host has a name that is not ours (--allow-host)",
    422: "The request is not valid; every problem has its JSON pointer",
    428: "Replacing what exists needs If-Match",
    503: "The store cannot write (disk full?) or the manager is stopping; try again",
}
BODY: Final = (413, 415)
EVERYWHERE: Final = (400, 403, 421)
"""Refusals of any request."""

Responses = dict[int | str, dict[str, Any]]


def answers(*refusals: int, **models: type[BaseModel]) -> Responses:
    """The ``responses`` of a route: ``ok=``, ``created=`` and ``accepted=`` models, then which refusals."""
    codes = {"ok": 200, "created": 201, "accepted": 202}
    found: Responses = {
        codes[name]: {"model": model, "description": _SAID[name]} for name, model in models.items()
    }
    for status in sorted({401, 422, *EVERYWHERE, *refusals}):
        found[status] = {
            "description": REFUSALS[status],
            "content": {PROBLEM_MEDIA_TYPE: {"schema": _PROBLEM}},
        }
    return found


_SAID: Final = {
    "ok": "The resource, or the plan of a dry run",
    "created": "It was created",
    "accepted": "It is stored; nobody has confirmed it yet",
}
_PROBLEM: Final = {"$ref": f"#/components/schemas/{ProblemDocument.__name__}"}


def body_of(schema: Mapping[str, Any], *, yaml: bool = False) -> dict[str, Any]:
    """``openapi_extra`` of a route that reads its body itself."""
    types = ["application/json", *(["application/yaml"] if yaml else [])]
    return {"requestBody": {"required": True, "content": {media: {"schema": schema} for media in types}}}


def model_body(model: type[BaseModel]) -> dict[str, Any]:
    return body_of({"$ref": f"#/components/schemas/{model.__name__}"})


def answer(value: Mapping[str, Any], status: int = 200, *, location: str | None = None) -> Response:
    """``value`` as JSON, with the ETag of its revision if it has one."""
    headers = {"ETag": etag(value["revision"])} if "revision" in value and "items" not in value else {}
    if location is not None:
        headers["Location"] = location
    return Response(dumps(value), status, headers, "application/json")
