"""The routes of any kind, made from its declaration: what it can do is in its ``verbs``.

Annotations here are evaluated, not kept as text: they name the parameters of each kind.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Path, Request, Response

from netpersona.control import models
from netpersona.control.http.answers import BODY, answer, answers, body_of
from netpersona.control.http.bodies import read_document
from netpersona.control.http.openapi import body_schema
from netpersona.control.http.pages import Cursor, Limit, page
from netpersona.control.http.routes.common import CONDITIONAL, CallOf, ServiceOf, written
from netpersona.control.http.shapes import answer_of, or_plan, page_of
from netpersona.control.http.streams import Since, Watch, stream
from netpersona.control.store.protocol import Record
from netpersona.kinds.kind import Kind, Verb

AnyKind = Kind[Any, Any]
Own = Mapping[str, str]
"""What a kind has to say of its calls itself: operation → description."""


def routes_of(
    kind: AnyKind,
    *,
    but: frozenset[Verb] = frozenset(),
    said: Own | None = None,
    router: APIRouter | None = None,
) -> APIRouter:
    """All that the kind's verbs allow, ``but`` what ``router`` has by hand already."""
    router = router or router_of(kind)
    makers = {"create": _create, "watch": _watch, "replace": _replace, "delete": _delete}
    if not (kind.verbs & {"watch"}):
        _list(router, kind, said or {})
    for verb in ("create", "watch"):
        if verb in kind.verbs - but:
            makers[verb](router, kind, said or {})
    _get(router, kind)
    for verb in ("replace", "delete"):
        if verb in kind.verbs - but:
            makers[verb](router, kind, said or {})
    return router


def router_of(kind: AnyKind) -> APIRouter:
    return APIRouter(prefix=f"/v1/{kind.plural}", tags=[kind.plural])


def _document(kind: AnyKind) -> dict[str, Any]:
    return body_of(body_schema(kind), yaml=True)


def _named(kind: AnyKind) -> Any:
    return Path(alias=kind.id_key, max_length=200)


def _create(router: APIRouter, kind: AnyKind, said: Own) -> None:
    async def create(request: Request, service: ServiceOf, call: CallOf) -> Response:
        resources = service.written[kind.plural]
        created = await resources.create(await read_document(request), call)
        return written(created, resources, 201)

    router.post(
        "",
        name=f"create_{kind.noun}",
        description=said.get("create", f"Store a {kind.noun}."),
        status_code=201,
        responses=answers(*BODY, 409, 503, ok=models.Plan, created=answer_of(kind)),
        openapi_extra=_document(kind),
    )(create)


def _list(router: APIRouter, kind: AnyKind, said: Own) -> None:
    async def get_page(service: ServiceOf, limit: Limit = 200, cursor: Cursor = None) -> Response:
        return answer(page(service.readable[kind.plural], service.store.revision, limit, cursor))

    router.get(
        "",
        name=f"list_{kind.plural}",
        description=said.get("list", f"List {kind.plural} by name."),
        responses=answers(ok=page_of(kind)),
    )(get_page)


def _watch(router: APIRouter, kind: AnyKind, said: Own) -> None:
    async def get_page(
        request: Request,
        service: ServiceOf,
        watch: Watch = False,
        revision: Since = None,
        limit: Limit = 200,
        cursor: Cursor = None,
    ) -> Response:
        if watch:
            return stream(service.feed, kind.plural, request, revision)
        return answer(page(service.readable[kind.plural], service.store.revision, limit, cursor))

    router.get(
        "",
        name=f"list_{kind.plural}",
        description=said.get("list", f"List {kind.plural} by name, or watch them."),
        responses=answers(410, ok=page_of(kind)),
    )(get_page)


def _get(router: APIRouter, kind: AnyKind) -> None:
    named = _named(kind)

    async def get(service: ServiceOf, name: str = named) -> Response:
        return answer(kind.dump(service.readable[kind.plural].get(name)))

    path, model = f"/{{{kind.id_key}}}", answer_of(kind)
    router.get(path, name=f"get_{kind.noun}", responses=answers(404, ok=model))(get)


def _replace(router: APIRouter, kind: AnyKind, said: Own) -> None:
    named = _named(kind)

    async def replace(request: Request, service: ServiceOf, call: CallOf, name: str = named) -> Response:
        resources = service.written[kind.plural]
        document, known = await read_document(request), resources.find(name)
        result = await resources.replace(name, document, call)
        created = isinstance(result, Record) and known is None
        return written(result, resources, 201 if created else 200)

    router.put(
        f"/{{{kind.id_key}}}",
        name=f"replace_{kind.noun}",
        description=said.get("replace", f"Store a {kind.noun} in place of what is there, or anew.")
        + " Replacing needs If-Match.",
        responses=answers(*BODY, 412, 428, 503, ok=or_plan(kind), created=answer_of(kind)),
        openapi_extra={**_document(kind), **CONDITIONAL},
    )(replace)


def _delete(router: APIRouter, kind: AnyKind, said: Own) -> None:
    named = _named(kind)

    async def delete(service: ServiceOf, call: CallOf, name: str = named) -> Response:
        resources = service.written[kind.plural]
        return written(await resources.delete(name, call), resources)

    router.delete(
        f"/{{{kind.id_key}}}",
        name=f"delete_{kind.noun}",
        description=said.get("delete", f"Remove a {kind.noun} that nothing uses."),
        status_code=204,
        responses=answers(404, 409, 412, 503, ok=models.Plan),
        openapi_extra=CONDITIONAL,
    )(delete)
