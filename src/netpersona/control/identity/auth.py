"""Who may speak to the API: a bearer token on TCP (RFC 6750), the file mode on the Unix socket."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from netpersona.control.identity.calls import ROOT, Caller
from netpersona.control.problems import Unauthorized

OPEN_PATHS = frozenset({"/healthz", "/readyz"})
"""Answered without a token, for probes of a service manager or load balancer."""
ANYONE = Caller("anyone", "token")


class Auth(Protocol):
    def check(self, path: str, authorization: str) -> Caller:
        """Who makes a request with this header. Raises ``Unauthorized`` unless it may go on."""


class NoAuth:
    """For the Unix socket: who may open it has been let in by the file system."""

    def check(self, path: str, authorization: str) -> Caller:  # noqa: ARG002
        return ROOT


class TokenAuth:
    """Any of ``tokens``, compared in constant time."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._tokens = tuple(token.encode() for token in tokens)
        self._callers = tuple(Caller(_fingerprint(token), "token") for token in self._tokens)
        if not all(self._tokens) or not self._tokens:
            raise ValueError("at least one token is needed and none may be empty")

    def check(self, path: str, authorization: str) -> Caller:
        if path in OPEN_PATHS:
            return ANYONE
        scheme, _, given = authorization.partition(" ")
        offered = given.strip().encode("utf-8", "replace")
        matches = [hmac.compare_digest(offered, token) for token in self._tokens]
        if scheme.lower() != "bearer" or not any(matches):
            raise Unauthorized(
                "a bearer token is needed here" if not authorization else "this token is not known",
                remedy="send 'Authorization: Bearer TOKEN'; the token is in <state-dir>/manager/token",
                headers={"WWW-Authenticate": 'Bearer realm="netpersona"'},
            )
        return self._callers[matches.index(True)]


def _fingerprint(token: bytes) -> str:
    """Tells tokens apart in a log without telling them."""
    return hashlib.sha256(token).hexdigest()[:8]


def load_tokens(path: Path) -> tuple[list[str], bool]:
    """The tokens in ``path``, one a line, ``#`` starts a comment; makes the file (0600) with one if absent.

    Returns the tokens and whether the file was made now.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read_tokens(path), False
    token = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w") as file:
        file.write(token + "\n")
        file.flush()
        os.fsync(descriptor)
    return [token], True


def _read_tokens(path: Path) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    tokens = [line for line in lines if line]
    if not tokens:
        raise ValueError(f"{path} holds no token; remove it to have a new one made")
    return tokens
