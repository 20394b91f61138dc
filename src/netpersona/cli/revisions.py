"""NAME@REVISION, as tables print it, wherever a persona is named; and presets where none has the name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from netpersona.cli.connection import unknown
from netpersona.cli.errors import CliError, unknown_name
from netpersona.client import NotFound
from netpersona.kinds.shown import brief

if TYPE_CHECKING:
    from netpersona.client import Client
    from netpersona.client.calls import JsonObject

_PINNED = re.compile(r"([^@]*)@([1-9][0-9]{0,17})", re.ASCII)


def split(name: str) -> tuple[str, int | None]:
    """The persona's name, and its revision where one is given. Raises CliError for what is neither."""
    if "@" not in name:
        return name, None
    match = _PINNED.fullmatch(name)
    if match is None:
        raise CliError(
            f"{brief(name)} names no revision", "write NAME@REVISION, as in voip@2, or the name alone"
        )
    return match[1], int(match[2])


def find_persona(api: Client, name: str) -> JsonObject | None:
    """A stored persona, in the revision that is named; None when there is none of that name."""
    bare, revision = split(name)
    newest = api.find("personas", bare)
    if newest is None or revision is None or newest["revision"] == revision:
        return newest
    return _older(api, bare, revision, newest["revision"])


def _older(api: Client, name: str, revision: int, newest: int) -> JsonObject:
    try:
        return api.revision("personas", name, revision)
    except NotFound as error:
        raise CliError(
            f"revision {revision} of {name} is not kept", f"{name}@{newest} is the newest"
        ) from error


def preset_resources() -> list[JsonObject]:
    """The presets as the API gives them; they come with this program, so no manager is asked."""
    from netpersona.kinds.persona import presets, to_mapping

    return [{"persona_id": name, "spec": to_mapping(persona)} for name, persona in presets().items()]


def find_preset(name: str) -> JsonObject | None:
    return next((preset for preset in preset_resources() if preset["persona_id"] == name), None)


def get_preset(name: str) -> JsonObject:
    """A preset; an unknown name is answered with the nearest one that exists."""
    found = find_preset(name)
    if found is None:
        known = [preset["persona_id"] for preset in preset_resources()]
        raise unknown_name("preset", name, known, "netpersona presets")
    return found


def get_persona(api: Client, name: str) -> JsonObject:
    """A stored persona, else a preset; an unknown name is answered with the nearest one that exists."""
    found = find_persona(api, name) or find_preset(name)
    if found is None:
        raise unknown(api, "personas", split(name)[0])
    return found
