"""Under which names this API answers.

A page in a browser may speak to every address that its own name resolves to, and it may let that name
resolve to ours (DNS rebinding). What the browser then sends says so in Host (RFC 9110 section 7.2), and
in Origin (RFC 6454 section 7) where it is not the same site. Ports are not compared: a forwarded one differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from starlette.datastructures import Headers

from netpersona.control.problems import BadRequest, Detail, Forbidden, Misdirected
from netpersona.kinds.shown import brief

LOCAL: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
SOCKET: Final = frozenset({"netpersona"})
"""What our own clients call a manager on a Unix socket."""
_HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/@\[\]]+)(:[0-9]*)?")


class Authority:
    """Names without ports, IPv6 addresses in brackets; case does not matter."""

    def __init__(self, names: Iterable[str] = SOCKET) -> None:
        self._names = LOCAL | {name.lower() for name in names}

    def check(self, headers: Headers, local: str | None) -> None:
        """``local`` is the address that the connection came to; nobody can make a name of it.

        Raises:
            BadRequest: there is no Host, or more than one.
            Misdirected: a name that is not ours.
            Forbidden: a page of another site asks.
        """
        given = headers.getlist("host")
        if len(given) != 1:
            raise BadRequest(
                "a request has one header Host",
                errors=[Detail("/Host", f"there are {len(given)}", "send one", "header")],
            )
        if not self._is_ours(given[0], local):
            raise Misdirected(
                f"this manager is not called {brief(given[0])}",
                errors=[Detail("/Host", "not one of our names", _REMEDY, "header")],
            )
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != given[0].lower():
            raise Forbidden(
                f"a page of {brief(origin)} may not use this API",
                errors=[Detail("/Origin", "not this API itself", "do not send it from a browser", "header")],
            )

    def _is_ours(self, host: str, local: str | None) -> bool:
        found = _HOST.fullmatch(host)
        name = found[1].lower() if found else ""
        return name in self._names or (local is not None and name == bracketed(local))


def bracketed(address: str) -> str:
    """An address as Host has it: IPv6 in brackets (RFC 3986 section 3.2.2)."""
    return f"[{address}]" if ":" in address else address


_REMEDY: Final = "use localhost or the address it listens on, or start it with --allow-host NAME"
