"""Containers as podman and Docker describe them. Pure.

A container's name and labels are the words of whoever started it, so they are taken in only as far as
they have the form that they should have, and never name anything but that container.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

PERSONA_LABEL = "netpersona.persona"
TTL_LABEL = "netpersona.ttl"
LABEL_CHARACTERS = 63
"""More is no persona's name and no duration."""
SHORT_ID = 12
"""Digits of an id that podman and Docker print; fewer do not name a container here."""

_ID = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True)
class Container:
    """`pid` is that of its first process, 0 where it does not run. `labels` holds ours alone."""

    id: str
    name: str
    pid: int
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def running(self) -> bool:
        return self.pid > 0

    def label(self, key: str) -> str | None:
        return dict(self.labels).get(key)


def read_container(document: Mapping[str, Any]) -> Container | None:
    """From what `GET /containers/{id}/json` answers (Docker Engine API); None if it is not of its form."""
    state, config = _mapping(document.get("State")), _mapping(document.get("Config"))
    identity, name, pid = document.get("Id"), document.get("Name"), state.get("Pid")
    if not isinstance(identity, str) or not _ID.fullmatch(identity):
        return None
    running = state.get("Running") is True and isinstance(pid, int) and pid > 1
    return Container(
        id=identity,
        name=_name(name),
        pid=int(pid) if running and pid else 0,
        labels=_labels(_mapping(config.get("Labels"))),
    )


def is_id(text: object) -> bool:
    """Whether it is a whole container id."""
    return isinstance(text, str) and bool(_ID.fullmatch(text))


def named(containers: Iterable[Container], reference: str) -> list[Container]:
    """Those that a name or an id (12 digits or more) means; several where two runtimes use one name.

    A whole id comes first: a container cannot take the place of another by calling itself like it.
    """
    known = list(containers)
    begins = reference if len(reference) >= SHORT_ID else None
    return (
        [container for container in known if container.id == reference]
        or [container for container in known if container.name == reference]
        or [container for container in known if begins and container.id.startswith(begins)]
    )


def _name(text: object) -> str:
    """Docker writes a slash before it; "" for one that is not a name."""
    name = text.removeprefix("/") if isinstance(text, str) else ""
    return name if _NAME.fullmatch(name) else ""


def _labels(labels: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    found = [(key, labels[key]) for key in (PERSONA_LABEL, TTL_LABEL) if key in labels]
    return tuple((key, str(value)[: LABEL_CHARACTERS + 1]) for key, value in found)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
