"""The manager as an agent sees it: a stream of what is wanted, and places to put what is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import quote

import httpx2

from netpersona.agent.watch_stream import StreamEnded, StreamRefused, stream_lines

_TIMEOUT = httpx2.Timeout(5.0)
_UNIX = "unix:"


class ManagerUnreachable(Exception):
    """No answer, or the stream ended: try again later; the data path needs no manager."""


class ManagerRefused(Exception):
    """The manager answered 4xx: trying the same again will not help."""


@dataclass(frozen=True)
class Event:
    """A line of a watch. `kind`: ADDED, MODIFIED, DELETED, STATUS, VERIFY or BOOKMARK."""

    kind: str
    object: Mapping[str, Any]


class Manager(Protocol):
    """What the agent needs of a manager; `tests/unit/agent` has a fake."""

    def watch(self, kind: str = "workloads", host: str | None = None) -> AsyncIterator[Event]:
        """Everything as ADDED, then one BOOKMARK, then changes; with `host` only what its agent needs.

        Raises ManagerUnreachable at its end.
        """
        ...

    async def put_statuses(self, host: str, statuses: Mapping[str, Mapping[str, Any]]) -> None:
        """By workload. Those of workloads that the manager no longer knows are passed over."""
        ...

    async def put_host(self, host: str, document: Mapping[str, Any]) -> None: ...

    async def put_verification(
        self, workload_id: str, verification_id: str, result: Mapping[str, Any]
    ) -> None: ...

    async def create_workload(self, document: Mapping[str, Any]) -> None: ...

    async def delete_workload(self, workload_id: str) -> None:
        """Fine if there is none."""
        ...


class HttpManager:
    """A manager at `unix:PATH` or `http://HOST:PORT` (the latter wants a bearer token)."""

    def __init__(self, address: str, token: str | None = None) -> None:
        uds = address.removeprefix(_UNIX) if address.startswith(_UNIX) else None
        self._address, self._token = address, token
        self._client = httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=uds, retries=0),
            base_url="http://netpersona" if uds else address,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=_TIMEOUT,
            trust_env=False,
        )

    async def __aenter__(self) -> HttpManager:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def watch(self, kind: str = "workloads", host: str | None = None) -> AsyncIterator[Event]:
        """See `Manager.watch`. Starting without a revision never meets 410; one in the middle reopens."""
        target = f"/v1/{kind}?watch=1" + (f"&host={quote(host, safe='')}" if host else "")
        try:
            async with aclosing(stream_lines(self._address, target, self._token)) as lines:
                async for line in lines:
                    yield _event(line)
        except StreamRefused as error:
            raise _refusal("GET", target, error.status, str(error)) from error
        except (StreamEnded, OSError, ValueError) as error:
            raise ManagerUnreachable(str(error) or type(error).__name__) from error

    async def put_statuses(self, host: str, statuses: Mapping[str, Mapping[str, Any]]) -> None:
        await self._put(f"/v1/hosts/{quote(host, safe='')}/statuses", {"statuses": statuses})

    async def put_host(self, host: str, document: Mapping[str, Any]) -> None:
        await self._put(f"/v1/hosts/{quote(host, safe='')}", document)

    async def put_verification(
        self, workload_id: str, verification_id: str, result: Mapping[str, Any]
    ) -> None:
        path = f"/v1/workloads/{quote(workload_id, safe='')}/verifications/{quote(verification_id, safe='')}"
        await self._put(path, result)

    async def create_workload(self, document: Mapping[str, Any]) -> None:
        await _check(await self._send("POST", "/v1/workloads", document))

    async def delete_workload(self, workload_id: str) -> None:
        response = await self._send("DELETE", f"/v1/workloads/{quote(workload_id, safe='')}")
        if response.status_code != 404:
            await _check(response)

    async def _put(self, path: str, document: Mapping[str, Any]) -> None:
        await _check(await self._send("PUT", path, document))

    async def _send(
        self, method: str, path: str, document: Mapping[str, Any] | None = None
    ) -> httpx2.Response:
        try:
            return await self._client.request(method, path, json=document)
        except httpx2.TransportError as error:
            raise ManagerUnreachable(str(error) or type(error).__name__) from error


async def _check(response: httpx2.Response) -> None:
    if response.is_success:
        return
    text = (await response.aread()).decode(errors="replace")[:500]
    status = response.status_code
    raise _refusal(response.request.method, response.request.url.path, status, f"{status} {text}")


def _refusal(method: str, target: str, status: int, said: str) -> Exception:
    # 410 Gone: the revision is too old; 429: slow down. Both want the same request later.
    later = status >= 500 or status in (410, 429)
    return (ManagerUnreachable if later else ManagerRefused)(f"{method} {target}: {said}")


def _event(line: bytes) -> Event:
    document = json.loads(line)
    return Event(str(document["type"]), document.get("object") or {})
