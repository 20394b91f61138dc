"""The OpenAPI document: what FastAPI derives, with the schemas of bodies that are read by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from netpersona.control import models
from netpersona.control.http.examples import examples_of
from netpersona.kinds.host import HostReport
from netpersona.kinds.kind import Kind
from netpersona.kinds.persona import Persona, json_schema
from netpersona.kinds.verification import VerificationRequest, VerificationResult
from netpersona.kinds.wanted import WantedDocument, WantedWorkload
from netpersona.kinds.workload import AssignmentRequest, StatusReport

_REF: Final = "#/components/schemas/{model}"
PERSONA_SCHEMA: Final = {"$ref": "#/components/schemas/PersonaDocument"}
"""A persona document in any of the three spellings."""
SNAKE_SCHEMA: Final = {"$ref": "#/components/schemas/DocumentFlatSnake"}
CAMEL_SCHEMA: Final = {"$ref": "#/components/schemas/DocumentFlatCamel"}

_BODIES: Final[tuple[type[BaseModel], ...]] = (
    models.NewWorkload,
    AssignmentRequest,
    StatusReport,
    models.StatusReports,
    VerificationRequest,
    VerificationResult,
    HostReport,
    models.ProblemDocument,
    WantedWorkload,
    WantedDocument,
)


def body_schema(kind: Kind[Any, Any]) -> dict[str, str]:
    """Of the document of a kind, in a request."""
    return PERSONA_SCHEMA if kind.spec is Persona else {"$ref": _REF.format(model=kind.spec.__name__)}


DESCRIPTION: Final = """Personas, the workloads that wear them, and what the hosts say.

Over TCP every request but /healthz and /readyz needs `Authorization: Bearer TOKEN`; the Unix socket needs
none. Every refusal is a problem document (RFC 9457) with JSON pointers. Resources carry the store revision
that wrote them, and it is their ETag. Add `dry_run=1` to a change to get its plan, and `watch=1` to a list to
stream it. HEAD works wherever GET does.

Any call is refused with 400 for a parameter that it does not have, 401 without a token, 403 for a page of
another site (Origin), 421 where Host names neither localhost nor the address asked nor a name given with
`netpersona up --allow-host`, and 422 for values that are not valid.
"""


def openapi_of(app: FastAPI, kinds: Sequence[Kind[Any, Any]]) -> dict[str, Any]:
    """Made once and kept, as FastAPI does by default."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        _add_examples(document, kinds)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.update(_schemas(kinds))
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        app.openapi_schema = document
    return app.openapi_schema


def _add_examples(document: dict[str, Any], kinds: Sequence[Kind[Any, Any]]) -> None:
    for call, body in examples_of(kinds).items():
        method, path = call.split()
        content = document["paths"][path][method.lower()]["requestBody"]["content"]
        content["application/json"]["example"] = body


def _schemas(kinds: Sequence[Kind[Any, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for model in (*_BODIES, *(kind.spec for kind in kinds if kind.verbs and kind.spec is not Persona)):
        schema = model.model_json_schema(ref_template=_REF)
        found |= schema.pop("$defs", {})
        found[model.__name__] = schema
    return found | _persona_schemas()


def _persona_schemas() -> dict[str, Any]:
    """The published schema under names of its own: ``PersonaDocument`` and ``Persona…`` for its parts."""
    text = json.dumps(json_schema()).replace('"#/$defs/', '"#/components/schemas/Document')
    schema = json.loads(text)
    parts = {f"Document{name}": part for name, part in schema.pop("$defs").items()}
    schema.pop("$schema", None)
    return {**parts, "PersonaDocument": schema}
