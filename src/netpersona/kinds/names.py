"""What names and other short texts of requests look like, as types that validate and document themselves."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StrictInt, StrictStr


def _no_dots(name: str) -> str:
    if name in (".", ".."):
        raise ValueError(f"{name} is a directory, not a name")
    return name


Identifier = Annotated[
    StrictStr,
    Field(
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$",
        description="1 to 63 letters, digits, '.', '_' or '-'; starts and ends with a letter or digit",
    ),
]
PERSONA_ID = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
PersonaName = Annotated[
    StrictStr,
    Field(
        pattern=PERSONA_ID,
        description="A persona or preset: 1 to 63 lower-case letters, digits or '-'",
    ),
]
InterfaceName = Annotated[
    StrictStr,
    Field(
        pattern=r"^([!-.0-9;-~]{1,15}|([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})$",
        description="A Linux interface name (IFNAMSIZ: 15 bytes); a MAC address only with domain",
    ),
    AfterValidator(_no_dots),
]
ContainerName = Annotated[
    StrictStr,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$",
        description="A container's name, or 12 digits or more of its id, as podman or Docker has it",
    ),
]
DomainName = Annotated[
    StrictStr,
    Field(pattern=r"^[!-.0-~]([ -.0-~]{0,126}[!-.0-~])?$", description="A virtual machine's name in libvirt"),
]
NetnsName = Annotated[
    StrictStr,
    Field(
        pattern=r"^(/[!-~]{1,254}|[!-.0-~]{1,64})$",
        description="A name under /run/netns, or the absolute path of a namespace file",
    ),
    AfterValidator(_no_dots),
]
HumanDuration = Annotated[
    StrictStr, Field(max_length=40, description="A number and a unit: 250ms, 60s, 5m, 1h")
]
Counter = Annotated[StrictInt, Field(ge=0, le=2**63 - 1)]
