"""Reading a request body strictly: what comes out is a finite, shallow JSON value in valid Unicode.

RFC 8259 leaves duplicate names, NaN, lone surrogates and depth to the implementation; all are refused
here, with a JSON pointer, so that no later step meets them.
"""

from __future__ import annotations

import json
import math
from codecs import BOM_UTF8
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NoReturn, TypeVar

from fastapi import Request
from pydantic import BaseModel, TypeAdapter, ValidationError

from netpersona.control.documents import from_yaml
from netpersona.control.problems import BadRequest, Detail, TooLarge, Unprocessable, UnsupportedMedia
from netpersona.kinds.shown import brief
from netpersona.kinds.validation import escape, pointer, said

M = TypeVar("M", bound=BaseModel)

BODY_BOUND: Final = 1 << 20
"""Bytes of a request body; more is 413."""
DEPTH_BOUND: Final = 32
"""Containers inside each other; more is 422."""

YAML_TYPES: Final = frozenset({"application/yaml", "application/x-yaml", "text/yaml"})
JSON_TYPES: Final = frozenset({"application/json", ""})


async def read_bytes(request: Request) -> bytes:
    """The raw body.

    Raises:
        TooLarge: more than ``BODY_BOUND``; the rest is not read.
    """
    declared = request.headers.get("content-length", "0")
    size = int(declared) if declared.isdecimal() else 0
    chunks: list[bytes] = []
    if size <= BODY_BOUND:
        size = 0
        async for chunk in request.stream():
            size += len(chunk)
            if size > BODY_BOUND:
                break
            chunks.append(chunk)
    if size > BODY_BOUND:
        raise TooLarge(f"the body is larger than {BODY_BOUND} bytes", remedy="send one document per request")
    return b"".join(chunks)


def media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def read_json(request: Request) -> Any:
    """The body as a JSON value.

    Raises:
        UnsupportedMedia, TooLarge, BadRequest, Unprocessable
    """
    _check_json(request.headers)
    return parse_json(await read_bytes(request))


def _check_json(headers: Mapping[str, str]) -> None:
    if media_type(headers) not in JSON_TYPES:
        raise UnsupportedMedia(
            f"this endpoint does not read {brief(media_type(headers))}",
            remedy="send Content-Type: application/json",
        )


async def read_document(request: Request) -> Any:
    """One document of any kind: a JSON value, or ``documents.Document`` of YAML.

    Raises:
        UnsupportedMedia, TooLarge, BadRequest, Unprocessable
    """
    if media_type(request.headers) not in YAML_TYPES:
        return await read_json(request)
    document = from_yaml(_decode(await read_bytes(request)))
    check_tree(document.data)
    return document


async def read_object(request: Request) -> dict[str, Any]:
    return _object(await read_json(request))


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unprocessable(f"the body is {_name(value)}", remedy="send a JSON object, {…}")
    return value


async def read_model(request: Request, model: type[M]) -> M:
    """The body as ``model``; every problem of it is reported at once.

    Raises:
        UnsupportedMedia, TooLarge, BadRequest, Unprocessable
    """
    return validate(model, await read_object(request))


def model_of(headers: Mapping[str, str], body: bytes, model: type[M]) -> M:
    """``read_model`` of a body that is there already. Raises as it does."""
    _check_json(headers)
    return validate(model, _object(parse_json(body)))


def validate(model: type[M], value: Any) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details = [Detail(pointer(found["loc"], value), *said(found)) for found in error.errors()]
        raise Unprocessable(
            f"the body is no valid {model.__name__}", errors=list(dict.fromkeys(details))
        ) from None


def validate_value(type_: Any, value: Any, name: str, where: str = "path") -> None:
    """A single value against ``type_``. Raises Unprocessable."""
    try:
        _adapter(type_).validate_python(value)
    except ValidationError as error:
        detail, remedy = said(error.errors()[0])
        raise Unprocessable(detail, errors=[Detail(name, detail, remedy, where)]) from None


@cache
def _adapter(type_: Any) -> TypeAdapter[Any]:
    """Made once for each type: it takes half a millisecond."""
    return TypeAdapter(type_)


def parse_json(data: bytes) -> Any:
    text = _decode(data)
    if not text.strip():
        raise BadRequest("the body is empty", remedy="send a JSON document")
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise Unprocessable(
            f"the document is nested deeper than {DEPTH_BOUND} levels", remedy="flatten it"
        ) from None
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BadRequest(f"not JSON at {place}: {error.msg}", remedy=f"correct it at {place}") from None
    except ValueError:
        raise BadRequest("a number has too many digits", remedy="write at most 4300 digits") from None
    if "\\" in text or not _is_plain(value, 0):  # without an escape, UTF-8 has neither NUL nor half a pair
        check_tree(value)
    return value


def _is_plain(value: Any, depth: int) -> bool:
    """Whether ``check_tree`` would find nothing but in texts; a tenth of its time."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else (value,)
    for item in items:
        kind = type(item)
        if kind is float:
            if not math.isfinite(item):
                return False
        elif (kind is dict or kind is list) and (depth >= DEPTH_BOUND - 1 or not _is_plain(item, depth + 1)):
            return False
    return True


def check_tree(value: Any) -> None:
    """Refuses what a persona or an SQLite text cannot hold, at any depth.

    Raises:
        Unprocessable: with every place it found.
    """
    problems = list(_tree_problems(value, "", 0))
    if problems:
        raise Unprocessable(problems[0].detail, errors=problems[:50])


def _tree_problems(value: Any, pointer: str, depth: int) -> Iterator[Detail]:
    if depth > DEPTH_BOUND:
        yield Detail(pointer, f"nested deeper than {DEPTH_BOUND} levels", "flatten the document")
    elif isinstance(value, str):
        yield from _text_problems(value, pointer)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Detail(pointer, "the number is not finite", "write a number that a double can hold")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _text_problems(str(key), pointer)
            yield from _tree_problems(item, f"{pointer}/{escape(str(key))}", depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _tree_problems(item, f"{pointer}/{index}", depth + 1)


def _text_problems(text: str, pointer: str) -> Iterator[Detail]:
    if "\x00" in text:
        yield Detail(pointer, "the text holds a NUL character", "remove it")
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        yield Detail(pointer, "the text holds half of a surrogate pair", "write the character whole")


def _decode(data: bytes) -> str:
    try:
        return data.removeprefix(BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise BadRequest(
            f"the body is not UTF-8 at byte {error.start}", remedy="encode the document as UTF-8"
        ) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise BadRequest(
            f'the key "{brief(twice)}" is written twice in one object', remedy="keep one of them"
        )
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise BadRequest(f"{name} is not JSON", remedy="write a finite number")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique)
"""Made once: json.loads with hooks makes one a call."""


def _name(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
