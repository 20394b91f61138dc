"""Where a manager is, and why it was not reached there."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from netpersona.client.errors import BadAddress, Denied, Unreachable

_UP = "start it with `sudo netpersona up`"


@dataclass(frozen=True, slots=True)
class Address:
    """`unix:PATH` or `http(s)://HOST[:PORT]`; `socket` is the path of the former, None for the latter."""

    text: str
    socket: str | None = None

    @classmethod
    def parse(cls, text: str) -> Address:
        """Raises BadAddress."""
        scheme, _, path = text.partition(":")
        if scheme == "unix" and path:
            return cls(text, path)
        if not _is_url(text):
            raise BadAddress(f"{text} is not an address", "write it as unix:PATH or http://HOST:PORT")
        return cls(text)

    @property
    def base_url(self) -> str:
        return "http://netpersona" if self.socket else self.text

    def check(self) -> None:
        """Raises Unreachable where nobody listens on the socket: httpcore would leak its own."""
        if self.socket is None:
            return
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(self.socket)
        except OSError as error:
            raise unreachable(self, error) from error


def _is_url(text: str) -> bool:
    """http or https, a host, maybe a port, and nothing else."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and port != 0
        and parts.path in ("", "/")
        and not (parts.query or parts.fragment or parts.username)
    )


def unreachable(address: Address, error: BaseException) -> Unreachable:
    """Why no manager answered, and what to run."""
    place, code = address.text, _errno(error)
    # Before the numbers: OpenSSL has its own, and its 1 is not EPERM.
    if isinstance(error, httpx2.ConnectError) and "SSL" in str(error):
        return _not_https(place, str(error))
    if code in (errno.EACCES, errno.EPERM):
        return Denied(f"you may not open {place}", "be root, or ask http://HOST:PORT with its token")
    if code in (errno.ENOENT, errno.ECONNREFUSED):
        return Unreachable(f"the manager is not running (nothing listens on {place})", _UP)
    if isinstance(error, (httpx2.TimeoutException, TimeoutError)):
        return Unreachable(f"the manager at {place} did not answer in time", "see `netpersona status`")
    if isinstance(error, httpx2.ConnectError):
        return Unreachable(f"cannot reach the manager at {place}: {error}", "check the address")
    return Unreachable(f"the manager at {place} broke off the connection ({error})", _UP)


def _not_https(place: str, error: str) -> Unreachable:
    if "CERTIFICATE" in error:
        return Unreachable(
            f"the certificate of {place} cannot be verified ({error})", "trust its issuer first"
        )
    return Unreachable(f"what listens at {place} does not speak https", "write http://HOST:PORT")


def _errno(error: BaseException | None) -> int | None:
    """The errno under the layers of an HTTP client's exceptions, if there is one."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        error = error.__cause__ or error.__context__
    return None
