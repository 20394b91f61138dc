"""What the client raises.

ClientError             one line, and what to do about it
├─ BadAddress           no manager can be at such an address
├─ BadName              nothing can have such a name
├─ Unreadable           the manager is of another version, and says what this one does not know
├─ Unreachable          no manager answered, or it broke off: try again later, enforcement goes on without it
│   └─ Denied           the socket may not be opened by who asks
└─ ApiError             the manager refused: its status and its problem document (RFC 9457)
    ├─ NotFound         404
    └─ Conflict         409, 412: what is there now forbids it; read it again
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ClientError(Exception):
    """A failure that a person can act on. `details` are further lines, one problem each."""

    def __init__(self, message: str, remedy: str | None = None, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = tuple(details)


class BadAddress(ClientError):
    """No manager can be at such an address."""


class BadName(ClientError):
    """Nothing can have such a name: a URL would lead elsewhere."""


class Unreadable(ClientError):
    """The manager is of another version, and says what this one does not know."""


class Unreachable(ClientError):
    """No manager answered at the address asked, or the connection broke."""


class Denied(Unreachable):
    """The socket may not be opened by who asks."""


class ApiError(ClientError):
    """The manager answered 4xx or 5xx."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        message = str(problem.get("detail") or problem.get("title") or f"the manager answered {status}")
        errors = _errors_of(problem)
        if len(errors) == 1 and errors[0].get("detail") == message:
            super().__init__(_placed(errors[0]), remedy=str(errors[0].get("remedy") or "") or None)
        else:
            super().__init__(message, details=[_line(error) for error in errors])
        self.status = status
        self.problem = dict(problem)

    @property
    def is_temporary(self) -> bool:
        """The same request may be answered later: the manager's own trouble, 410 of a watch, 429."""
        return self.status >= 500 or self.status in (410, 429)


class NotFound(ApiError):
    """There is no such thing."""


class Conflict(ApiError):
    """What is there now forbids it."""


def refusal(status: int, problem: Mapping[str, Any]) -> ApiError:
    """The error of a status, of the class that says most."""
    error = _CLASSES.get(status, ApiError)(status, problem)
    if status == 401:
        error.remedy = "give its bearer token; `netpersona up` says in which file it is"
    return error


_CLASSES: Mapping[int, type[ApiError]] = {404: NotFound, 409: Conflict, 412: Conflict}


def _errors_of(problem: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    errors = problem.get("errors")
    return [error for error in errors if isinstance(error, Mapping)] if isinstance(errors, list) else []


def _placed(error: Mapping[str, Any]) -> str:
    """A problem with its JSON pointer (RFC 6901), unless that is the whole document's."""
    detail = str(error.get("detail") or "is not valid")
    return f"{error['pointer']}: {detail}" if error.get("pointer") else detail


def _line(error: Mapping[str, Any]) -> str:
    return f"{_placed(error)}; {error['remedy']}" if error.get("remedy") else _placed(error)
