"""What each topic of the feed tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from netpersona.control.actions.verifications import Verifications, verification_told
from netpersona.control.clock import Clock
from netpersona.control.resources import shown
from netpersona.control.resources.generic import Resources
from netpersona.control.resources.workloads import VERIFICATIONS, Workloads
from netpersona.control.store.protocol import Event, EventType, Record
from netpersona.control.store.stored import Assignment
from netpersona.control.watch.feed import Message, Source, Told
from netpersona.kinds.kind import Resource
from netpersona.kinds.verification import VERIFICATION
from netpersona.kinds.workload import Workload

HOST_FEED: Final = "workloads-of/"
"""Topic of what the agent of each host is told, without what it reports itself."""


def shows(type_: str, resource: Resource[Any, Any], revision: int | None = None) -> Message:
    return Message(type_, revision or resource.revision, partial(resource.kind.answer, resource))


def itself(resource: Resource[Any, Any]) -> int:
    return resource.revision


def with_followed(workload: Workload) -> int:
    """Since when one is as it is shown: what it follows may have been replaced after it was written."""
    worn = workload.state.assignment
    used = (worn, worn.fallback) if worn else ()
    followed = (one.persona_revision for one in used if one is not None and one.follows)
    return max(workload.revision, *followed, 0)


def source_of(resources: Resources[Any, Any], since: Callable[[Resource[Any, Any]], int] = itself) -> Source:
    """Every change of a kind's resources. ``since``: the revision from which on one is as it is shown."""

    def told(event: Event) -> Iterable[Told]:
        yield "", lambda: shows(event.type, resources.resource(event.record))

    listed: dict[str, tuple[Resource[Any, Any], Message]] = {}

    def present(_: str) -> Iterable[Message]:
        """Lines of the list before, which may be written already, where nothing changed."""
        nonlocal listed
        before, listed = listed, {}
        for resource in resources.list():
            known = before.get(resource.name)
            if known is None or known[0] != resource:
                known = resource, shows(EventType.ADDED, resource, since(resource))
            listed[resource.name] = known
        return [message for _, message in listed.values()]

    return Source(resources.kind.plural, told, present)


def followers(workloads: Workloads) -> Source:
    """A persona that was replaced is worn by those who follow it, though nothing was written of them."""

    def told(event: Event) -> Iterable[Told]:
        found = workloads.followers(event.record.key) if event.type is EventType.MODIFIED else ()
        for resource in workloads.resources(found):
            yield "", partial(shows, EventType.MODIFIED, resource, event.revision)

    return Source("personas", told, latest=True)


def verifications(workloads: Workloads, found: Verifications, *, by_host: bool) -> Source:
    """What agents must do, and what came of it; those that are open follow the BOOKMARK."""

    def part_of(record: Record) -> str:
        return workloads.host(record) if by_host else ""

    def message(record: Record) -> Message:
        return Message("VERIFY", record.revision, lambda: VERIFICATION.dump(verification_told(record)))

    def told(event: Event) -> Iterable[Told]:
        if event.type is not EventType.DELETED:
            yield part_of(event.record), lambda: message(event.record)

    def after(part: str) -> Iterable[Message]:
        return (message(record) for record in found.open() if part_of(record) == part)

    return Source(VERIFICATIONS, told, after=after)


class HostSources:
    """What the agent of each host is told; a part of the topic is a host."""

    def __init__(self, workloads: Workloads, found: Verifications, clock: Clock) -> None:
        self._workloads, self._clock = workloads, clock
        self.sources = (
            Source("workloads", self._changed, self._present),
            Source("personas", self._replaced),
            verifications(workloads, found, by_host=True),
        )

    def _message(
        self, type_: str, revision: int, record: Record, assignment: Assignment | None = None
    ) -> Message:
        assignment = assignment or self._workloads.assignment(record)
        documents = {} if type_ == EventType.DELETED else self._workloads.documents(assignment)
        # Times that are left are counted when the line is made.
        return Message(
            type_,
            revision,
            lambda: shown.wanted(record, assignment, self._clock()),
            documents,
        )

    def _changed(self, event: Event) -> Iterator[Told]:
        """The host that a workload went away from is told, too."""
        records = (event.record, event.before)
        for host in {self._workloads.host(record) for record in records if record is not None}:
            yield host, partial(self._message, event.type, event.revision, event.record)

    def _replaced(self, event: Event) -> Iterator[Told]:
        found = self._workloads.followers(event.record.key) if event.type is EventType.MODIFIED else ()
        for record, assignment in zip(found, self._workloads.assignments(found), strict=True):
            host = self._workloads.host(record)
            yield host, partial(self._message, EventType.MODIFIED, event.revision, record, assignment)

    def _present(self, host: str) -> Iterator[Message]:
        found = self._workloads.on_host(host)
        for record, assignment in zip(found, self._workloads.assignments(found), strict=True):
            yield self._message(EventType.ADDED, record.revision, record, assignment)
