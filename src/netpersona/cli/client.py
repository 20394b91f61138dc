"""The manager over HTTP: Unix socket by default, TCP with a bearer token elsewhere."""

from __future__ import annotations

import errno
import json
import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from netpersona.cli.errors import ApiError, CliError, Unreachable, unknown_name
from netpersona.cli.printable import brief
from netpersona.cli.settings import Settings
from netpersona.cli.tokens import made_token, named_token

JsonObject = dict[str, Any]

TIMEOUT_S = 10.0
"""How long any answer may take that was not asked to wait."""

SILENCE_S = 90.0
"""A watch quieter than this is dead: the manager sends a bookmark every 30 s."""

_NOUNS = {"personas": "persona", "workloads": "workload", "hosts": "host", "presets": "preset"}
_ID_KEYS = {"personas": "persona_id", "workloads": "workload_id", "hosts": "host", "presets": "persona_id"}


class Api:
    """The REST resources under /v1. Every method raises ApiError or Unreachable, never httpx2's own."""

    def __init__(self, settings: Settings, *, timeout_s: float = TIMEOUT_S) -> None:
        self._settings = settings
        self._client = httpx2.Client(
            transport=_transport(settings),
            base_url=_base_url(settings),
            headers=_headers(settings),
            timeout=timeout_s,
            trust_env=False,
        )

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> JsonObject:
        """The decoded answer; an empty one is {}."""
        try:
            response = self._client.request(
                method, path, json=body, params=params, headers=headers, timeout=timeout_s
            )
        except (httpx2.TransportError, OSError) as error:
            raise unreachable(self._settings, error) from error
        return _decode(response)

    def all(self, collection: str) -> list[JsonObject]:
        """Every resource of a collection, following `continue` cursors."""
        found: list[JsonObject] = []
        params: dict[str, str] = {}
        while True:
            page = self.request("GET", f"/v1/{collection}", params=params)
            found += page.get("items", [])
            if not page.get("continue"):
                return found
            params = {"continue": str(page["continue"])}

    def names(self, collection: str) -> list[str]:
        return [name_of(collection, item) for item in self.all(collection)]

    def find(self, collection: str, name: str) -> JsonObject | None:
        """One resource, or None when there is none of that name."""
        try:
            return self.request("GET", resource_path(collection, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def get(self, collection: str, name: str) -> JsonObject:
        """One resource; an unknown name is answered with the nearest one that exists."""
        found = self.find(collection, name)
        if found is None:
            raise self.unknown(collection, name)
        return found

    def unknown(self, collection: str, name: str) -> CliError:
        return unknown_name(_NOUNS[collection], name, self.names(collection), f"netpersona get {collection}")

    def stream(self, path: str, params: Mapping[str, str]) -> Iterator[JsonObject]:
        """NDJSON events until the manager ends the stream."""
        timeout = httpx2.Timeout(TIMEOUT_S, read=SILENCE_S)
        try:
            with self._client.stream("GET", path, params=params, timeout=timeout) as response:
                if response.is_error:
                    response.read()
                    _decode(response)
                for line in response.iter_lines():
                    if line.strip():
                        yield json.loads(line)
        except (httpx2.TransportError, OSError) as error:
            raise unreachable(self._settings, error) from error


def resource_path(collection: str, name: str, *rest: str) -> str:
    """Raises CliError for what no resource is called and a URL would lead elsewhere."""
    if name in ("", ".", "..") or not name.isprintable():
        raise CliError(
            f"{brief(name) or 'an empty word'} is not a name", "write letters, digits, '.', '_' or '-'"
        )
    return "/".join(["/v1", collection, quote(name, safe=""), *rest])


def name_of(collection: str, resource: Mapping[str, Any]) -> str:
    return str(resource[_ID_KEYS[collection]])


def _transport(settings: Settings) -> httpx2.BaseTransport:
    if settings.transport is not None:
        return settings.transport
    if settings.socket is None:
        return httpx2.HTTPTransport()
    try:
        with socket.socket(socket.AF_UNIX) as probe:  # httpcore leaks the socket of a refused connection
            probe.connect(str(settings.socket))
    except OSError as error:
        raise unreachable(settings, error) from error
    return httpx2.HTTPTransport(uds=str(settings.socket))


def _base_url(settings: Settings) -> str:
    if settings.socket is not None:
        return "http://netpersona"
    if _is_url(settings.address):
        return settings.address
    raise CliError(
        f"--server {settings.address} is not an address",
        "write it as unix:PATH or http://HOST:PORT",
    )


def _is_url(address: str) -> bool:
    """http or https, a host, maybe a port, and nothing else."""
    try:
        parts = urlsplit(address)
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


def _headers(settings: Settings) -> dict[str, str]:
    token = _token(settings)
    return {"Authorization": f"Bearer {token}"} if token else {}


def _token(settings: Settings) -> str | None:
    """The token asked for; over TCP the one the manager of this machine wrote, if it may be read."""
    if settings.token_file is not None:
        return named_token(settings.token_file)
    if settings.socket is not None:
        return None
    return made_token(settings.state_dir / "manager" / "token")


def _decode(response: httpx2.Response) -> JsonObject:
    try:
        body = response.json() if response.content else {}
    except ValueError:
        body = {}
    if not response.is_error:
        return body if isinstance(body, dict) else {"items": body}
    error = ApiError(response.status_code, body if isinstance(body, dict) else {})
    if error.status == 401:
        error.remedy = "name the file that holds it with --token-file; `netpersona up` says where it is"
    raise error


def unreachable(settings: Settings, error: BaseException) -> Unreachable:
    """Say why no manager answered, and what to run."""
    place, code = settings.address, _errno(error)
    # Before the numbers: OpenSSL has its own, and its 1 is not EPERM.
    if isinstance(error, httpx2.ConnectError) and "SSL" in str(error):
        return _not_https(place, str(error))
    if code in (errno.EACCES, errno.EPERM):
        return Unreachable(
            f"you may not open {place}",
            "use sudo, or --server http://HOST:PORT with --token-file FILE",
        )
    if code in (errno.ENOENT, errno.ECONNREFUSED):
        return Unreachable(f"the manager is not running (nothing listens on {place})", _UP)
    if isinstance(error, httpx2.TimeoutException):
        return Unreachable(f"the manager at {place} did not answer in time", "see `netpersona status`")
    if isinstance(error, httpx2.ConnectError):
        return Unreachable(f"cannot reach the manager at {place}: {error}", "check --server")
    return Unreachable(f"the manager at {place} broke off the connection ({error})", _UP)


def _not_https(place: str, error: str) -> Unreachable:
    if "CERTIFICATE" in error:
        return Unreachable(
            f"the certificate of {place} cannot be verified ({error})", "trust its issuer first"
        )
    return Unreachable(f"what listens at {place} does not speak https", "write http://HOST:PORT")


_UP = "start it with `sudo netpersona up`"


def _errno(error: BaseException | None) -> int | None:
    """The errno under the layers of an HTTP client's exceptions, if there is one."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error.errno
        error = error.__cause__ or error.__context__
    return None
