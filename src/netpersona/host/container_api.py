"""The part of the Docker Engine API that Docker and podman both speak, over their Unix socket.

Unversioned paths: either answers them in the newest version that it has.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx2

from netpersona.host.containers import Container, is_id, read_container

ANSWER_BYTES = 16 << 20
"""Of one answer: a list of some 10,000 containers. More is not read."""
SILENCE_S = 300.0
"""Events that say nothing for this long are asked for anew, and everything is listed again."""
ACTIONS = frozenset({"start", "die", "died", "destroy", "remove", "rename", "connect", "disconnect"})
"""Events after which a container is elsewhere. Health checks alone make many others."""


class RuntimeUnreachable(Exception):
    """No socket, no answer, or none that can be read: try again later."""


class EventsRefused(RuntimeUnreachable):
    """The runtime answers, but has no events (podman with `events_logger = "none"`)."""


class LookFailed(RuntimeUnreachable):
    """The runtime answers, but not this question now: podman so while a container is being removed."""


class ContainerApi:
    """One runtime. The socket must be root's: its answers decide where programs are attached."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._client = httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=str(socket), retries=0),
            base_url="http://runtime",
            timeout=httpx2.Timeout(5.0),
            trust_env=False,
        )

    async def __aenter__(self) -> ContainerApi:
        require_roots(self._socket)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def ids(self) -> list[str]:
        """Of all containers, also of those that do not run."""
        listed = await self._get("/containers/json?all=true")
        entries = listed if isinstance(listed, list) else []
        return [entry["Id"] for entry in entries if isinstance(entry, dict) and is_id(entry.get("Id"))]

    async def inspect(self, identity: str) -> Container | None:
        """None if there is no such container any more. Raises LookFailed: it may be so, ask again."""
        answer = await self._get(f"/containers/{quote(identity, safe='')}/json")
        container = read_container(answer) if isinstance(answer, dict) else None
        return container if container and container.id == identity else None

    async def events(self) -> AsyncIterator[str]:
        """First "", once the runtime listens; then the id of each container that something happened to."""
        timeout = httpx2.Timeout(5.0, read=SILENCE_S)
        try:
            async with self._client.stream("GET", "/events?stream=true", timeout=timeout) as response:
                if not response.is_success:
                    raise EventsRefused(f"{self._socket}: no events: {response.status_code}")
                yield ""
                async for line in response.aiter_lines():
                    if identity := _concerned(line):
                        yield identity
        except httpx2.TransportError as error:
            raise RuntimeUnreachable(f"{self._socket}: {error or type(error).__name__}") from error

    async def _get(self, path: str) -> Any:
        """The JSON value, None for 404."""
        try:
            async with self._client.stream("GET", path) as response:
                body = await self._read(response)
        except httpx2.TransportError as error:
            raise RuntimeUnreachable(f"{self._socket}: {error or type(error).__name__}") from error
        if response.status_code == 404:
            return None
        try:
            if response.is_success:
                return json.loads(body)
        except ValueError as error:
            raise RuntimeUnreachable(f"{self._socket}: {path}: not JSON") from error
        raise LookFailed(f"{self._socket}: {path}: {response.status_code}")

    async def _read(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > ANSWER_BYTES:
                raise RuntimeUnreachable(f"{self._socket}: an answer of more than {ANSWER_BYTES} bytes")
        return bytes(body)


def require_roots(socket: Path) -> None:
    """Raises RuntimeUnreachable unless a socket of root's (or of our own user's) is there."""
    try:
        status = socket.lstat()
    except OSError as error:
        raise RuntimeUnreachable(f"{socket}: {os.strerror(error.errno or 0)}") from error
    if not stat.S_ISSOCK(status.st_mode) or status.st_uid not in (0, os.geteuid()):
        raise RuntimeUnreachable(f"{socket}: not a socket of root's; its answers are not believed")


def _concerned(line: str) -> str | None:
    """The container that an event is about: itself, or as an attribute of one about a network."""
    try:
        event = json.loads(line)
        if event["Action"] not in ACTIONS:
            return None
        actor = event["Actor"]
        identity = actor["Attributes"].get("container") if event["Type"] == "network" else actor["ID"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return identity if is_id(identity) else None
