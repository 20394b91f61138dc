"""Who may ask, and under which name: what is looked at before anything of a request is done."""

from __future__ import annotations

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Scope

from netpersona.control.identity.auth import Auth
from netpersona.control.identity.authority import Authority
from netpersona.control.identity.calls import Caller
from netpersona.control.problems import BadRequest, Detail, Refusal

CALLER: Final = "netpersona.caller"
"""Key of the ASGI scope."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Admission:
    """Of one listener."""

    def __init__(self, auth: Auth, authority: Authority) -> None:
        self._auth, self._authority = auth, authority

    def check(self, scope: Scope, headers: Headers) -> None:
        """Notes in ``scope`` who it is (``caller_of``).

        Who is refused here has no connection any more: strangers must not keep one. Raises Refusal.
        """
        try:
            self._authority.check(headers, _local_address(scope))
            if _CONTROL.search(scope["path"]):
                remedy = "write a path as /openapi.json has it"
                raise BadRequest(
                    "the path holds a control character",
                    errors=[Detail("", "a control character", remedy, "path")],
                )
            scope[CALLER] = self._auth.check(scope["path"], headers.get("authorization", ""))
        except Refusal as refusal:
            refusal.headers["Connection"] = "close"
            raise


def caller_of(scope: Scope) -> Caller:
    """Who makes a request that was admitted."""
    caller: Caller = scope[CALLER]
    return caller


def _local_address(scope: Scope) -> str | None:
    """Where the connection came to; None on a Unix socket."""
    host, port = scope.get("server") or ("", None)
    return str(host).removeprefix("::ffff:") if port is not None else None
