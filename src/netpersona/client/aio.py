"""The client for programs with an event loop: `Client`, awaited; a watch is read without httpx2."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import httpx2

from netpersona.client import calls
from netpersona.client.address import Address, unreachable
from netpersona.client.calls import TIMEOUT_S, Assignment, Call, JsonObject, S, T
from netpersona.client.errors import ClientError, NotFound
from netpersona.client.stream import event_of, stream_lines
from netpersona.client.watching import Course, Event, pauses

if TYPE_CHECKING:
    from netpersona.kinds.adaptation import LoggedDecision
    from netpersona.kinds.kind import Kind, Resource
    from netpersona.kinds.plans import WorkloadPlan
    from netpersona.kinds.verification import Verification
    from netpersona.kinds.workload import Workload


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

    async def all(self, kind: Kind[S, T]) -> list[Resource[S, T]]:
        """See `Client.all`."""
        found: list[Resource[S, T]] = []
        call: Call | None = calls.page(kind.plural)
        while call:
            answer = await self.send(call)
            found += [calls.load(kind, item) for item in answer.get("items", ())]
            call = calls.next_page(answer, call)
        return found

    async def get(self, kind: Kind[S, T], name: str) -> Resource[S, T]:
        """See `Client.get`."""
        return calls.load(kind, await self.send(calls.get(kind.plural, name)))

    async def find(self, kind: Kind[S, T], name: str) -> Resource[S, T] | None:
        """See `Client.find`."""
        try:
            return await self.get(kind, name)
        except NotFound:
            return None

    async def revision(self, kind: Kind[S, T], name: str, revision: int) -> Resource[S, T]:
        """See `Client.revision`."""
        return calls.load(kind, await self.send(calls.get(kind.plural, name, "revisions", str(revision))))

    async def create(self, kind: Kind[S, T], name: str, spec: S) -> Resource[S, T]:
        """See `Client.create`."""
        return calls.load(kind, await self.send(calls.create(kind, name, spec)))

    async def replace(self, kind: Kind[S, T], name: str, spec: S, revision: int) -> Resource[S, T]:
        """See `Client.replace`."""
        return calls.load(kind, await self.send(calls.replace(kind, name, spec, revision)))

    async def rehearse(self, kind: Kind[S, T], name: str, spec: S, revision: int | None = None) -> None:
        """See `Client.rehearse`."""
        if revision is None:
            await self.send(calls.create(kind, name, spec, dry_run=True))
        else:
            await self.send(calls.replace(kind, name, spec, revision, dry_run=True))

    async def delete(self, kind: Kind[S, T], name: str, revision: int | None = None) -> None:
        """See `Client.delete`."""
        await self.send(calls.delete(kind.plural, name, revision))

    async def watch(
        self, kind: Kind[S, T], *, revision: int | None = None, host: str | None = None
    ) -> AsyncGenerator[Event, None]:
        """See `Client.watch`."""
        target = calls.watch(kind.plural, revision, host).target
        async with aclosing(stream_lines(self.address, target, self._token)) as lines:
            async for line in lines:
                yield event_of(line)

    async def follow(
        self, kind: Kind[S, T], *, on_gap: Callable[[ClientError], None] = lambda _: None
    ) -> AsyncGenerator[Event, None]:
        """See `Client.follow`."""
        course, waits = Course(kind.id_key), pauses()
        while True:
            try:
                async with aclosing(self.watch(kind, revision=course.begin())) as events:
                    async for event in events:
                        waits = pauses()
                        for told in course.take(event):
                            yield told
            except ClientError as error:
                course.broke_off(error)
                on_gap(error)
            await asyncio.sleep(next(waits))

    async def assign(self, workload: str, assignment: Assignment, *, wait_s: float = 0.0) -> Workload:
        """See `Client.assign`."""
        return calls.load_workload(await self.send(calls.assign(workload, assignment, wait_s)))

    async def release(self, workload: str, *, wait_s: float = 0.0) -> Workload:
        """See `Client.release`."""
        return calls.load_workload(await self.send(calls.release(workload, wait_s)))

    async def rollback(self, workload: str, *, wait_s: float = 0.0) -> Workload:
        """See `Client.rollback`."""
        return calls.load_workload(await self.send(calls.rollback(workload, wait_s)))

    async def adapt(self, workload: str, policy: str, *, advise: bool = False) -> Workload:
        """See `Client.adapt`."""
        return calls.load_workload(await self.send(calls.adapt(workload, policy, advise=advise)))

    async def stop_adapting(self, workload: str) -> Workload:
        """See `Client.stop_adapting`."""
        return calls.load_workload(await self.send(calls.stop_adapting(workload)))

    async def decisions(self, workload: str) -> list[LoggedDecision]:
        """See `Client.decisions`."""
        return calls.load_decisions(await self.send(calls.decisions(workload)))

    async def adapt_all(self, *, enabled: bool) -> JsonObject:
        """See `Client.adapt_all`."""
        return await self.send(calls.adapt_all(enabled))

    async def adaptation_of_all(self) -> JsonObject:
        """See `Client.adaptation_of_all`."""
        return await self.send(calls.adaptation_of_all())

    async def write_persona(
        self, workload: str, requirement: Mapping[str, Any], *, dry_run: bool = False
    ) -> JsonObject:
        """See `Client.write_persona`."""
        return await self.send(calls.write_persona(workload, requirement, dry_run=dry_run))

    async def confirm(self, workload: str, *, wait_s: float = 0.0) -> Workload:
        """Keep what was assigned with `confirm_within`. Raises Conflict where it is too late."""
        return calls.load_workload(await self.send(calls.confirm(workload, wait_s)))

    async def plan(self, workload: str, assignment: Assignment) -> WorkloadPlan:
        """What `assign` would change, and what that does to traffic; nothing is stored."""
        return calls.load_plan(await self.send(calls.plan(workload, assignment)))

    async def verify(
        self,
        workload: str,
        *,
        probes: int | None = None,
        interval: str | None = None,
        at_most: str | None = None,
    ) -> Verification:
        """See `Client.verify`."""
        wanted = {"probes": probes, "interval": interval, "at_most": at_most}
        return calls.load_verification(await self.send(calls.verify(workload, wanted)))

    async def verification(self, workload: str, verification_id: str) -> Verification:
        """See `Client.verification`."""
        return calls.load_verification(await self.send(calls.verification(workload, verification_id)))

    async def cancel(self, workload: str, verification_id: str) -> Verification:
        """See `Client.cancel`."""
        return calls.load_verification(await self.send(calls.cancel(workload, verification_id)))
