"""The manager as an agent sees it: a stream of what is wanted, and places to put what is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from typing import Any, NoReturn, Protocol

from netpersona.client import ApiError, AsyncClient, Call, ClientError, Event, NotFound, Unreachable, calls
from netpersona.client.calls import path_of
from netpersona.client.stream import event_of, follow_lines
from netpersona.kinds.kind import Kind
from netpersona.kinds.workload import WORKLOAD


class ManagerUnreachable(Exception):
    """No answer, or the stream ended: try again later; the data path needs no manager."""


class ManagerRefused(Exception):
    """The manager answered 4xx: trying the same again will not help."""


class Manager(Protocol):
    """What the agent needs of a manager; `tests/unit/agent` has a fake."""

    def watch(self, kind: Kind[Any, Any]) -> AsyncIterator[Event]:
        """Everything as ADDED, then one BOOKMARK, then changes. Raises ManagerUnreachable at its end."""
        ...

    async def follow(self, host: str, take: Callable[[Event], None]) -> NoReturn:
        """`watch` of what the agent of a host needs; `take` is called as soon as a line has come."""
        ...

    async def put_statuses(self, host: str, statuses: Mapping[str, Mapping[str, Any]]) -> None:
        """By workload. Those of workloads that the manager no longer knows are passed over."""
        ...

    async def put_measured(self, host: str, reports: Mapping[str, Mapping[str, Any]]) -> Collection[str]:
        """By workload. Answers which of them it had no history of to go on with."""
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
    """`Manager` over the client."""

    def __init__(self, client: AsyncClient, token: str | None = None) -> None:
        self._client, self._token = client, token

    async def watch(self, kind: Kind[Any, Any]) -> AsyncIterator[Event]:
        """See `Manager.watch`. Starting without a revision never meets 410; one in the middle reopens."""
        with _told_apart(f"GET /v1/{kind.plural}"):
            async with aclosing(self._client.watch(kind)) as events:
                async for event in events:
                    yield event

    async def follow(self, host: str, take: Callable[[Event], None]) -> NoReturn:
        """See `Manager.follow`."""
        call = calls.watch(WORKLOAD.plural, None, host)
        with _told_apart(f"GET {call.path}"):
            await follow_lines(
                self._client.address, call.target, self._token, lambda line: take(event_of(line))
            )

    async def put_statuses(self, host: str, statuses: Mapping[str, Mapping[str, Any]]) -> None:
        await self._send(Call("PUT", path_of("hosts", host, "statuses"), {"statuses": statuses}))

    async def put_measured(self, host: str, reports: Mapping[str, Mapping[str, Any]]) -> Collection[str]:
        answer = await self._send(Call("PUT", path_of("hosts", host, "measured"), {"workloads": reports}))
        wanted = answer.get("wanted") if isinstance(answer, Mapping) else None
        return wanted if isinstance(wanted, list) else ()

    async def put_host(self, host: str, document: Mapping[str, Any]) -> None:
        await self._send(Call("PUT", path_of("hosts", host), document))

    async def put_verification(
        self, workload_id: str, verification_id: str, result: Mapping[str, Any]
    ) -> None:
        await self._send(
            Call("PUT", path_of("workloads", workload_id, "verifications", verification_id), result)
        )

    async def create_workload(self, document: Mapping[str, Any]) -> None:
        await self._send(Call("POST", "/v1/workloads", document))

    async def delete_workload(self, workload_id: str) -> None:
        call = calls.delete(WORKLOAD.plural, workload_id)
        with _told_apart(f"DELETE {call.path}"), suppress(NotFound):
            await self._client.send(call)

    async def _send(self, call: Call) -> Any:
        with _told_apart(f"{call.method} {call.path}"):
            return await self._client.send(call)


@contextmanager
def _told_apart(what: str) -> Iterator[None]:
    """What may work later is ManagerUnreachable, what will not is ManagerRefused."""
    try:
        yield
    except Unreachable as error:
        raise ManagerUnreachable(error.message) from error
    except ApiError as error:
        told = ManagerUnreachable if error.is_temporary else ManagerRefused
        raise told(f"{what}: {error.status} {error.message}") from error
    except ClientError as error:
        raise ManagerRefused(f"{what}: {error.message}") from error
