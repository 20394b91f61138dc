"""Reading the document of a kind whose spec is a plain model; personas have spellings of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from netpersona.kinds.errors import InvalidDocument, Problem, Refused
from netpersona.kinds.names import Identifier
from netpersona.kinds.units import shown
from netpersona.kinds.validation import pointer, said

S_co = TypeVar("S_co", bound=BaseModel, covariant=True)
S = TypeVar("S", bound=BaseModel)


class Read(Protocol[S_co]):
    """From a document, and a name for one without, to name and spec. Raises InvalidDocument."""

    def __call__(self, data: object, default_name: str | None = None, /) -> tuple[str, S_co]: ...


_NAME: TypeAdapter[str] = TypeAdapter(Identifier)


def reader(spec: type[S], id_key: str) -> Read[S]:
    """Reads `spec` and, beside its keys, the name; every problem is told at once."""

    def read(data: object, default_name: str | None = None, /) -> tuple[str, S]:
        if not isinstance(data, Mapping):
            raise InvalidDocument([Problem(f"{shown(data)} is no document", "write a mapping of keys")])
        rest = dict(data)
        name = rest.pop(id_key, default_name)
        problems = _name_problems(name, id_key, missing=name is None)
        try:
            found = spec.model_validate(rest)
        except ValidationError as error:
            problems += _problems(error, rest)
        if problems:
            raise InvalidDocument(dict.fromkeys(problems))
        return name, found

    return read


def _name_problems(name: Any, id_key: str, *, missing: bool) -> list[Problem]:
    if missing:
        return [Problem("this key is missing", "add it", f"/{id_key}")]
    try:
        _NAME.validate_python(name)
    except ValidationError as error:
        return [Problem(*said(error.errors()[0]), f"/{id_key}")]
    return []


def _problems(error: ValidationError, data: Mapping[str, Any]) -> list[Problem]:
    return [Problem(*said(found), pointer((*found["loc"], *_at(found)), data)) for found in error.errors()]


def _at(found: ErrorDetails) -> tuple[str | int, ...]:
    """Where in a refused value the fault is."""
    refused = found.get("ctx", {}).get("error")
    return refused.at if isinstance(refused, Refused) else ()
