"""The client for programs with an event loop: `Client`, awaited; a watch is read without httpx2."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import httpx2

from netpersona.client import calls
from netpersona.client.address import Address, unreachable
from netpersona.client.calls import TIMEOUT_S, Assignment, Call, JsonObject
from netpersona.client.errors import ClientError, NotFound, Unreachable
from netpersona.client.stream import stream_lines
from netpersona.client.watching import Course, Event, pauses, read_event


class AsyncClient:
    """`Client`, awaited: the same arguments, answers and errors. Connects with the first call."""

    def __init__(
        self,
        address: str,
        token: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`transport` answers in place of the network, but for watches. Raises BadAddress."""
        self.address = Address.parse(address)
        self._timeout_s = timeout_s
        self._token = token
        self._http = httpx2.AsyncClient(
            transport=transport or httpx2.AsyncHTTPTransport(uds=self.address.socket),
            base_url=self.address.base_url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            trust_env=False,
        )

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def send(self, call: Call) -> JsonObject:
        """Carry out any call; `netpersona.client.calls` has those of the API."""
        try:
            response = await self._http.request(
                call.method,
                call.path,
                json=call.body,
                params=call.params,
                headers=call.headers,
                timeout=self._timeout_s + call.wait_s,
            )
        except (httpx2.TransportError, OSError) as error:
            raise unreachable(self.address, error) from error
        return calls.read_answer(response.status_code, response.content)

    async def all(self, collection: str) -> list[JsonObject]:
        """See `Client.all`."""
        found: list[JsonObject] = []
        call: Call | None = calls.page(collection)
        while call:
            answer = await self.send(call)
            found += answer.get("items", [])
            call = calls.next_page(answer, call)
        return found

    async def get(self, collection: str, name: str) -> JsonObject:
        """See `Client.get`."""
        return await self.send(calls.get(collection, name))

    async def find(self, collection: str, name: str) -> JsonObject | None:
        """See `Client.find`."""
        try:
            return await self.get(collection, name)
        except NotFound:
            return None

    async def revision(self, collection: str, name: str, revision: int) -> JsonObject:
        """See `Client.revision`."""
        return await self.send(calls.get(collection, name, "revisions", str(revision)))

    async def create(
        self, collection: str, document: Mapping[str, Any], *, dry_run: bool = False
    ) -> JsonObject:
        """See `Client.create`."""
        return await self.send(calls.create(collection, document, dry_run=dry_run))

    async def replace(
        self,
        collection: str,
        name: str,
        document: Mapping[str, Any],
        revision: int,
        *,
        dry_run: bool = False,
    ) -> JsonObject:
        """See `Client.replace`."""
        return await self.send(calls.replace(collection, name, document, revision, dry_run=dry_run))

    async def delete(self, collection: str, name: str, revision: int | None = None) -> None:
        """See `Client.delete`."""
        await self.send(calls.delete(collection, name, revision))

    async def watch(
        self, collection: str, *, revision: int | None = None, host: str | None = None
    ) -> AsyncGenerator[Event, None]:
        """See `Client.watch`."""
        target = calls.watch(collection, revision, host).target
        async with aclosing(stream_lines(self.address, target, self._token)) as lines:
            async for line in lines:
                yield _event(line)

    async def follow(self, collection: str) -> AsyncGenerator[Event, None]:
        """See `Client.follow`."""
        course, waits = Course(calls.id_key(collection)), pauses()
        while True:
            try:
                async with aclosing(self.watch(collection, revision=course.begin())) as events:
                    async for event in events:
                        waits = pauses()
                        for told in course.take(event):
                            yield told
            except ClientError as error:
                course.broke_off(error)
            await asyncio.sleep(next(waits))

    async def assign(self, workload: str, assignment: Assignment, *, wait_s: float = 0.0) -> JsonObject:
        """See `Client.assign`."""
        return await self.send(calls.assign(workload, assignment, wait_s))

    async def release(self, workload: str, *, wait_s: float = 0.0) -> JsonObject:
        """See `Client.release`."""
        return await self.send(calls.release(workload, wait_s))

    async def rollback(self, workload: str, *, wait_s: float = 0.0) -> JsonObject:
        """See `Client.rollback`."""
        return await self.send(calls.rollback(workload, wait_s))

    async def verify(
        self,
        workload: str,
        *,
        probes: int | None = None,
        interval: str | None = None,
        at_most: str | None = None,
    ) -> JsonObject:
        """See `Client.verify`."""
        wanted = {"probes": probes, "interval": interval, "at_most": at_most}
        return await self.send(calls.verify(workload, {k: v for k, v in wanted.items() if v is not None}))

    async def verification(self, workload: str, verification_id: str) -> JsonObject:
        """See `Client.verification`."""
        return await self.send(calls.verification(workload, verification_id))

    async def cancel(self, workload: str, verification_id: str) -> JsonObject:
        """See `Client.cancel`."""
        return await self.send(calls.cancel(workload, verification_id))


def _event(line: bytes) -> Event:
    try:
        return read_event(line)
    except ValueError as error:
        raise Unreachable(f"what answers is no watch: {error}") from error
