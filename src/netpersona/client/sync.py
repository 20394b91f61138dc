"""The client for programs that wait for each answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import httpx2

from netpersona.client import calls
from netpersona.client.address import Address, unreachable
from netpersona.client.calls import TIMEOUT_S, Assignment, Call, JsonObject, S, T
from netpersona.client.errors import ClientError, NotFound, Unreachable
from netpersona.client.watching import SILENCE_S, Course, Event, pauses, read_event

if TYPE_CHECKING:
    from netpersona.kinds.adaptation import LoggedDecision
    from netpersona.kinds.kind import Kind, Resource
    from netpersona.kinds.plans import WorkloadPlan
    from netpersona.kinds.verification import Verification
    from netpersona.kinds.workload import Workload


class Client:
    """A manager at `unix:PATH` or `http(s)://HOST[:PORT]`; the latter wants its bearer token.

    Every method raises ClientError, never a library's own. Not for several threads at once.
    """

    def __init__(
        self,
        address: str,
        token: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """`transport` answers in place of the network. Raises BadAddress, and Unreachable for a socket."""
        self.address = Address.parse(address)
        self._timeout_s = timeout_s
        self._is_real = transport is None
        if transport is None:
            self.address.check()
            transport = httpx2.HTTPTransport(uds=self.address.socket)
        self._http = httpx2.Client(
            transport=transport,
            base_url=self.address.base_url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            trust_env=False,
        )

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def send(self, call: Call) -> JsonObject:
        """Carry out any call; `netpersona.client.calls` has those of the API."""
        try:
            response = self._http.request(
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

    def all(self, kind: Kind[S, T]) -> list[Resource[S, T]]:
        """Every resource of a kind."""
        found: list[Resource[S, T]] = []
        call: Call | None = calls.page(kind.plural)
        while call:
            answer = self.send(call)
            found += [calls.load(kind, item) for item in answer.get("items", ())]
            call = calls.next_page(answer, call)
        return found

    def get(self, kind: Kind[S, T], name: str) -> Resource[S, T]:
        """Raises NotFound."""
        return calls.load(kind, self.send(calls.get(kind.plural, name)))

    def find(self, kind: Kind[S, T], name: str) -> Resource[S, T] | None:
        """One resource, or None when there is none of that name."""
        try:
            return self.get(kind, name)
        except NotFound:
            return None

    def revision(self, kind: Kind[S, T], name: str, revision: int) -> Resource[S, T]:
        """An older revision. Raises NotFound where it is no longer kept."""
        return calls.load(kind, self.send(calls.get(kind.plural, name, "revisions", str(revision))))

    def create(self, kind: Kind[S, T], name: str, spec: S) -> Resource[S, T]:
        """Raises Conflict where one of that name exists."""
        return calls.load(kind, self.send(calls.create(kind, name, spec)))

    def replace(self, kind: Kind[S, T], name: str, spec: S, revision: int) -> Resource[S, T]:
        """Raises Conflict unless `revision` is the newest."""
        return calls.load(kind, self.send(calls.replace(kind, name, spec, revision)))

    def rehearse(self, kind: Kind[S, T], name: str, spec: S, revision: int | None = None) -> None:
        """Raises what `create`, or `replace` of a `revision`, would raise; nothing is stored."""
        if revision is None:
            self.send(calls.create(kind, name, spec, dry_run=True))
        else:
            self.send(calls.replace(kind, name, spec, revision, dry_run=True))

    def delete(self, kind: Kind[S, T], name: str, revision: int | None = None) -> None:
        """Raises Conflict where something refers to it, or unless `revision` is the newest."""
        self.send(calls.delete(kind.plural, name, revision))

    def watch(
        self, kind: Kind[S, T], *, revision: int | None = None, host: str | None = None
    ) -> Iterator[Event]:
        """All there is as ADDED, one BOOKMARK, then changes; with `revision` only what came after it.

        With `host` it is what the agent of that host needs. Raises Unreachable at the end of the stream,
        ApiError 410 where `revision` is no longer known.
        """
        call = calls.watch(kind.plural, revision, host)
        timeout = httpx2.Timeout(self._timeout_s, read=SILENCE_S)
        if self._is_real:
            self.address.check()
        try:
            with self._http.stream("GET", call.path, params=call.params, timeout=timeout) as response:
                if response.is_error:
                    calls.read_answer(response.status_code, response.read())
                for line in response.iter_lines():
                    if line:
                        yield read_event(line)
        except (httpx2.TransportError, OSError, ValueError) as error:
            raise unreachable(self.address, error) from error
        raise Unreachable("the manager ended the watch", "see `netpersona status`")

    def follow(
        self, kind: Kind[S, T], *, on_gap: Callable[[ClientError], None] = lambda _: None
    ) -> Iterator[Event]:
        """`watch` for ever: goes on after a gap, without telling anything twice or leaving anything out.

        `on_gap` hears of every try that failed. Raises what the first try raises, and later what
        trying again cannot mend.
        """
        course, waits = Course(kind.id_key), pauses()
        while True:
            try:
                for event in self.watch(kind, revision=course.begin()):
                    waits = pauses()
                    yield from course.take(event)
            except ClientError as error:
                course.broke_off(error)
                on_gap(error)
            time.sleep(next(waits))

    def assign(self, workload: str, assignment: Assignment, *, wait_s: float = 0.0) -> Workload:
        """Put a persona on a workload; the answer is the workload as it is once its agent has applied it.

        The agent has `wait_s` for that, else the answer is how things stand then.
        """
        return calls.load_workload(self.send(calls.assign(workload, assignment, wait_s)))

    def release(self, workload: str, *, wait_s: float = 0.0) -> Workload:
        """Take the persona off; see `assign` for `wait_s`."""
        return calls.load_workload(self.send(calls.release(workload, wait_s)))

    def rollback(self, workload: str, *, wait_s: float = 0.0) -> Workload:
        """Put back what was worn before. Raises Conflict where that is nothing."""
        return calls.load_workload(self.send(calls.rollback(workload, wait_s)))

    def adapt(self, workload: str, policy: str, *, advise: bool = False) -> Workload:
        """Let a policy choose what the workload wears; `advise`: only log what it would choose."""
        return calls.load_workload(self.send(calls.adapt(workload, policy, advise=advise)))

    def stop_adapting(self, workload: str) -> Workload:
        """What it wears stays."""
        return calls.load_workload(self.send(calls.stop_adapting(workload)))

    def decisions(self, workload: str) -> list[LoggedDecision]:
        """What was decided that changed something, or would have; the oldest first."""
        return calls.load_decisions(self.send(calls.decisions(workload)))

    def adapt_all(self, *, enabled: bool) -> JsonObject:
        """The kill switch: with False nothing adapts until it is True again."""
        return self.send(calls.adapt_all(enabled))

    def adaptation_of_all(self) -> JsonObject:
        """Whether anything adapts: `enabled`, and the names of the `workloads` that do."""
        return self.send(calls.adaptation_of_all())

    def write_persona(
        self, workload: str, requirement: Mapping[str, Any], *, dry_run: bool = False
    ) -> JsonObject:
        """Write a persona for a requirement (application, bandwidth, latency, loss), and put it on."""
        return self.send(calls.write_persona(workload, requirement, dry_run=dry_run))

    def confirm(self, workload: str, *, wait_s: float = 0.0) -> Workload:
        """Keep what was assigned with `confirm_within`. Raises Conflict where it is too late."""
        return calls.load_workload(self.send(calls.confirm(workload, wait_s)))

    def plan(self, workload: str, assignment: Assignment) -> WorkloadPlan:
        """What `assign` would change, and what that does to traffic; nothing is stored."""
        return calls.load_plan(self.send(calls.plan(workload, assignment)))

    def verify(
        self,
        workload: str,
        *,
        probes: int | None = None,
        interval: str | None = None,
        at_most: str | None = None,
    ) -> Verification:
        """Ask for probes through the workload's attachment. It is `pending` then; `verification` asks on."""
        wanted = {"probes": probes, "interval": interval, "at_most": at_most}
        return calls.load_verification(self.send(calls.verify(workload, wanted)))

    def verification(self, workload: str, verification_id: str) -> Verification:
        """How far it is; its rows once its `state` is `done`."""
        return calls.load_verification(self.send(calls.verification(workload, verification_id)))

    def cancel(self, workload: str, verification_id: str) -> Verification:
        """No more probes are sent."""
        return calls.load_verification(self.send(calls.cancel(workload, verification_id)))
