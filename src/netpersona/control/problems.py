"""Problem documents (RFC 9457): what the API answers when it refuses.

    Refusal
    ├── BadRequest            400  the bytes are no document
    ├── Unauthorized          401  no token, or not ours
    ├── Forbidden             403  a page of another site asks
    ├── NotFound              404
    ├── Conflict              409  the state forbids it
    ├── Gone                  410  the watch revision is compacted
    ├── PreconditionFailed    412  If-Match / If-None-Match does not hold
    ├── TooLarge              413
    ├── UnsupportedMedia      415
    ├── Misdirected           421  a Host that is not ours
    ├── Unprocessable         422  a document, but not a valid one
    └── PreconditionRequired  428  RFC 6585: replacing needs If-Match

Every refusal says what to do next; nothing is stored when one is raised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar, Final

from netpersona.kinds.shown import brief

PROBLEM_MEDIA_TYPE: Final = "application/problem+json"
TEXT_BOUND: Final = 500
"""Characters of a text in a problem document. What is another's in it is printable, and shorter still."""
ERRORS_BOUND: Final = 50
"""Entries of ``errors``."""
_PLACES = {"body", "query", "path", "header"}


@dataclass(frozen=True, slots=True)
class Detail:
    """One thing that is wrong: ``pointer`` (RFC 6901) points into ``where``, the body unless said."""

    pointer: str
    detail: str
    remedy: str
    where: str = "body"

    def document(self) -> dict[str, str]:
        assert self.where in _PLACES
        texts = {"pointer": self.pointer, "in": self.where, "detail": self.detail, "remedy": self.remedy}
        return {key: brief(text, TEXT_BOUND) for key, text in texts.items()}


class Refusal(Exception):
    """A request that is answered with a 4xx problem document."""

    status: ClassVar[HTTPStatus] = HTTPStatus.BAD_REQUEST

    def __init__(
        self,
        detail: str,
        *,
        remedy: str = "",
        pointer: str = "",
        errors: Sequence[Detail] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = tuple(errors) or (Detail(pointer, detail, remedy),)
        self.headers = dict(headers or {})

    def document(self, instance: str) -> dict[str, Any]:
        return problem(self.status, self.detail, instance, self.errors)


class BadRequest(Refusal):
    status = HTTPStatus.BAD_REQUEST


class Unauthorized(Refusal):
    status = HTTPStatus.UNAUTHORIZED


class Forbidden(Refusal):
    status = HTTPStatus.FORBIDDEN


class NotFound(Refusal):
    status = HTTPStatus.NOT_FOUND


class Conflict(Refusal):
    status = HTTPStatus.CONFLICT


class Gone(Refusal):
    status = HTTPStatus.GONE


class PreconditionFailed(Refusal):
    status = HTTPStatus.PRECONDITION_FAILED


class TooLarge(Refusal):
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class UnsupportedMedia(Refusal):
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE


class Misdirected(Refusal):
    status = HTTPStatus.MISDIRECTED_REQUEST


class Unprocessable(Refusal):
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class PreconditionRequired(Refusal):
    status = HTTPStatus.PRECONDITION_REQUIRED


def problem(status: int, detail: str, instance: str, errors: Sequence[Detail] = ()) -> dict[str, Any]:
    """The document itself. ``type`` is ``about:blank``: the status says what kind it is (RFC 9457 4.2.1)."""
    return {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": brief(detail, TEXT_BOUND),
        "instance": brief(instance, TEXT_BOUND),
        "errors": [error.document() for error in errors[:ERRORS_BOUND]],
    }
