"""Security profiles: which flows may be opened to the workload. Replies, ARP, NDP and DHCP always pass."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from netpersona.kinds.base import Frozen, Text
from netpersona.kinds.persona.rules import Opening

MAX_OPENINGS = 32
_NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"

ProfileName = Literal["restricted", "standard", "open"]

_PORTS = {"restricted": (22,), "standard": (22, 80, 443)}


class Profile(Frozen):
    """A profile defined in the document: everything incoming is refused but what it lists."""

    name: Annotated[Text, Field(pattern=_NAME)]
    """Lower-case letters, digits and hyphens, up to 63."""
    incoming: Annotated[tuple[Opening, ...], Field(max_length=MAX_OPENINGS)] = ()
    """Flows that may be opened to the workload."""


def _profile_kind(value: Any) -> str:
    return "defined" if isinstance(value, (Mapping, Profile)) else "named"


SecurityProfile = Annotated[
    Annotated[ProfileName, Tag("named")] | Annotated[Profile, Tag("defined")],
    Discriminator(_profile_kind),
]


def profile_name(profile: ProfileName | Profile) -> str:
    """How a profile is called."""
    return profile.name if isinstance(profile, Profile) else profile


def openings(profile: ProfileName | Profile) -> tuple[Opening, ...] | None:
    """What a profile lets in; None when it lets in everything."""
    if isinstance(profile, Profile):
        return profile.incoming
    if profile == "open":
        return None
    return tuple(Opening.model_validate({"protocol": "tcp", "port": port}) for port in _PORTS[profile])
