"""YAML 1.2 (core schema) read with the place of every key, and written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from netpersona.kinds.documents import Event, Place, stop, whole
from netpersona.kinds.errors import InvalidDocument
from netpersona.kinds.shown import brief
from netpersona.kinds.yaml_problems import not_yaml

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]{1,40}|0x[0-9a-fA-F]{1,40}", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", re.ASCII
)
_TEXT_TAGS = ("!", "tag:yaml.org,2002:str")


def read_events(text: str) -> Iterator[Event]:
    """Events of a YAML stream. Raises InvalidDocument where it is not YAML."""
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            if isinstance(event, (NodeEvent, CollectionEndEvent)):
                yield _event(event)
    except InvalidDocument:
        raise
    except Exception as error:
        raise not_yaml(error, text) from None


def _event(event: NodeEvent | CollectionEndEvent) -> Event:
    place = (event.start_mark.line + 1, event.start_mark.column + 1)
    if isinstance(event, CollectionEndEvent):
        return Event("end", place)
    if isinstance(event, AliasEvent):
        return Event("alias", place, event.anchor)
    if isinstance(event, ScalarEvent):
        return Event("scalar", place, _scalar(event, place), event.anchor)
    assert isinstance(event, CollectionStartEvent)
    _refuse_tag(event.tag, place, ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"))
    kind = "mapping" if isinstance(event, MappingStartEvent) else "list"
    return Event(kind, place, anchor=event.anchor)  # type: ignore[arg-type]


def _refuse_tag(tag: object, place: Place, known: tuple[str, ...]) -> None:
    if tag is not None and str(tag) not in known:
        raise stop(f"the tag {brief(tag, 40)} has no meaning here", "remove the tag", place)


def _scalar(event: ScalarEvent, place: Place) -> Any:
    _refuse_tag(event.tag, place, _TEXT_TAGS)
    plain = event.style is None and event.tag is None
    if plain and event.value == "<<":
        raise stop("merge keys (<<) are not part of YAML 1.2", "write the keys out", place)
    return resolve(event.value) if plain else event.value


def resolve(text: str) -> Any:
    """Value of a plain scalar in the core schema (YAML 1.2, section 10.3)."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        return int(text, 0) if text[:2] in ("0o", "0x") else whole(text)
    if _FLOAT.fullmatch(text):
        return float(text.replace(".inf", "inf").replace(".nan", "nan") if "n" in text.lower() else text)
    return text


_PLAIN = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._%/+()-]|:(?=[^ ]))*[A-Za-z0-9.%)]|[A-Za-z0-9]", re.ASCII)
_PRINTABLE = re.compile(r"[\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]")


def write(document: dict[str, Any]) -> str:
    """A document in block style, leaves in flow style. It reads back as the same data."""
    return "".join(f"{line}\n" for line in _block(document))


def _block(mapping: dict[str, Any]) -> Iterator[str]:
    for key, value in mapping.items():
        if isinstance(value, (dict, list)) and _nests(value):
            yield f"{key}:"
            yield from (f"  {line}" for line in _nested(value))
        else:
            yield f"{key}: {_flow(value)}"


def _nests(value: dict[str, Any] | list[Any]) -> bool:
    """Whether flow style would be hard to read."""
    parts = list(value.values()) if isinstance(value, dict) else value
    return any(isinstance(part, (dict, list)) for part in parts)


def _nested(value: dict[str, Any] | list[Any]) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _block(value)
        return
    for item in value:
        if isinstance(item, dict) and _nests(item):
            first, *rest = _block(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
        else:
            yield f"- {_flow(item)}"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(part) for part in value) + "]"
    return _quoted(value) if isinstance(value, str) else str(value)


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text) and isinstance(resolve(text), str):
        return text
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character == "\n":
        return "\\n"
    return (
        character
        if _PRINTABLE.fullmatch(character) and character.isprintable()
        else f"\\U{ord(character):08x}"
    )
