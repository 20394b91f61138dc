"""What changes between two personas, key by key."""

from __future__ import annotations

from collections.abc import Iterator
from types import NoneType
from typing import Any

from netpersona.kinds.errors import KeyPath, pointer
from netpersona.kinds.hardware.effects import effect
from netpersona.kinds.kind import Change, Label
from netpersona.kinds.persona.mapping import to_mapping
from netpersona.kinds.persona.model import Persona


def diff(before: Persona | None, after: Persona | None) -> list[Change]:
    """Changes from one persona to another, or from or to none.

    Between two, keys at their default are written out where the other differs.
    """
    if before is not None and after is not None:
        return list(_changes((), _whole(before), _whole(after)))
    return list(_changes((), to_mapping(before) if before else {}, to_mapping(after) if after else {}))


def _whole(persona: Persona) -> dict[str, Any]:
    return persona.model_dump(mode="json")


def _changes(path: KeyPath, before: Any, after: Any) -> Iterator[Change]:
    if before == after:
        return
    if path and isinstance(path[-1], int) and None in (before, after):
        yield Change(pointer(path), _given(before), _given(after), _label(path))
    elif isinstance(before, dict) or isinstance(after, dict):
        yield from _in_mappings(path, before, after)
    elif isinstance(before, list) or isinstance(after, list):
        first, second = _indexed(before), _indexed(after)
        yield from _in_mappings(path, first, second)
    else:
        yield Change(pointer(path), before, after, _label(path))


def _in_mappings(path: KeyPath, before: Any, after: Any) -> Iterator[Change]:
    """Changes below a mapping on either side; a plain value on the other side is a change of its own."""
    first, second = (side if isinstance(side, dict) else {} for side in (before, after))
    if not isinstance(before, (dict, NoneType)):
        yield Change(pointer(path), before, None, _label(path))
    if not isinstance(after, (dict, NoneType)):
        yield Change(pointer(path), None, after, _label(path))
    for key in dict.fromkeys((*first, *second)):
        yield from _changes((*path, key), first.get(key), second.get(key))


def _indexed(items: Any) -> Any:
    return dict(enumerate(items)) if isinstance(items, list) else items


def _given(entry: Any) -> Any:
    """An entry of a list without its keys that are left out."""
    if isinstance(entry, dict):
        return {key: _given(value) for key, value in entry.items() if value not in (None, [])}
    return [_given(item) for item in entry] if isinstance(entry, list) else entry


_GROUPS = {"interrupt_coalescing": "coalesce", "offloads": "features"}
_OF_THE_INTERFACE = ("interrupt_coalescing", "channels", "rings", "rss", "offloads", "txqueuelen")


def _label(path: KeyPath) -> Label:
    """Of settings of the interface by a rule of thumb: no driver is known here. All else is live."""
    for step in path:
        if step in _OF_THE_INTERFACE:
            names = [str(one) for one in path[path.index(step) + 1 :]]
            return effect("", "/".join([_GROUPS.get(str(step), str(step)), *names])).label
    return "live"
