"""The client of the REST API: what the command line, the agent and programs of others ask the manager with.

    with Client("unix:/run/netpersona/api.sock") as manager:
        workload = manager.assign("web", Assignment("voip-on-3g", ttl="60s"), wait_s=2)
        print(workload.state.phase, [persona.name for persona in manager.all(PERSONA)])

What is got is a `Resource` of the kind asked for; `netpersona.kinds.registry` lists the kinds.

Errors are loaded with this package, all else once it is asked for: a command that needs no manager should not
wait for HTTP libraries.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from netpersona.client.errors import (
    ApiError,
    BadAddress,
    BadName,
    ClientError,
    Conflict,
    Denied,
    NotFound,
    Unreachable,
    Unreadable,
)

if TYPE_CHECKING:
    from netpersona.client.aio import AsyncClient
    from netpersona.client.calls import Assignment, Call
    from netpersona.client.sync import Client
    from netpersona.client.watching import Event

__all__ = [
    "ApiError",
    "Assignment",
    "AsyncClient",
    "BadAddress",
    "BadName",
    "Call",
    "Client",
    "ClientError",
    "Conflict",
    "Denied",
    "Event",
    "NotFound",
    "Unreachable",
    "Unreadable",
]

_HOMES = {"Assignment": "calls", "AsyncClient": "aio", "Call": "calls", "Client": "sync", "Event": "watching"}


def __getattr__(name: str) -> object:
    """PEP 562."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
