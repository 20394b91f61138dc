"""What OpenAPI says about the answers of a kind, made from its declaration."""

from __future__ import annotations

from functools import cache
from typing import Any, Union

from pydantic import BaseModel, Field, RootModel, create_model

from netpersona.control.models import Answer, Plan
from netpersona.kinds.kind import Kind, plain


@cache
def answer_of(kind: Kind[Any, Any]) -> type[BaseModel]:
    """One resource."""
    fields: dict[str, Any] = {f"{kind.within}_id": (str, ...)} if kind.within else {}
    fields[kind.id_key] = (str, ...)
    if kind.verbs or kind.within:
        said = "The store revision that wrote it; the ETag in quotes"
        fields["revision"] = (int, Field(description=said))
    if kind.verbs:
        fields |= {"created_at": (str | None, ...), "updated_at": (str | None, ...)}
    fields |= _spec(kind) | _fields(kind.state)
    model: type[BaseModel] = create_model(_name(kind), __base__=Answer, __doc__=kind.doc, **fields)
    return model


@cache
def page_of(kind: Kind[Any, Any]) -> type[BaseModel]:
    """A piece of the list of resources."""
    model: type[BaseModel] = create_model(
        f"{_name(kind)}Page",
        __base__=Answer,
        items=(list[answer_of(kind)], ...),  # type: ignore[misc, arg-type]
        revision=(int, Field(description="Watch from here to miss nothing")),
        continue_=(
            str | None,
            Field(alias="continue", description="Pass it on to get the next page; null: the last"),
        ),
    )
    return model


@cache
def or_plan(kind: Kind[Any, Any]) -> type[BaseModel]:
    """The resource, or the plan of a dry run."""
    either: Any = Union[answer_of(kind), Plan]  # noqa: UP007
    doc = f"The {kind.noun}, or the plan of a dry run."
    return type(f"{_name(kind)}OrPlan", (RootModel[either],), {"__doc__": doc, "__module__": __name__})


def _name(kind: Kind[Any, Any]) -> str:
    return kind.noun.capitalize()


def _spec(kind: Kind[Any, Any]) -> dict[str, Any]:
    if kind.flat:
        return _fields(kind.spec)
    if kind.write is plain:
        return {"spec": (kind.spec, ...)}
    return {
        "spec": (dict[str, Any], Field(description="The canonical document, whichever spelling was sent"))
    }


def _fields(model: type[BaseModel]) -> dict[str, Any]:
    """Of an answer, where every key is present."""
    return {
        name: (info.annotation, Field(description=info.description, json_schema_extra=None))
        for name, info in model.model_fields.items()
    }
