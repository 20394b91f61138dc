"""The kernel programs in memory, for tests of what stands on them. Every change can be cut short inside."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from netpersona.datapath.driver import NOTHING, Assigned, Target, Wanted
from netpersona.datapath.errors import DatapathError, EndpointMissing, NotAttached
from netpersona.datapath.programs.plan import Applied, Attach, Bind, Detach, ProgramsChange, digest_of, plan
from netpersona.datapath.types import Capabilities, Direction, Endpoint, Facing


@dataclass
class _Entry:
    """A line of the attachment table."""

    attachment: int
    facing: Facing
    on: set[Direction] = field(default_factory=set)
    assigned: Assigned = NOTHING


class FakePrograms:
    """`interfaces` (name to ifindex) is the world; change it as the test goes. `made` is the log of changes.

    It outlives its agents, as the kernel does. `cut_at` counts the moments before and after each part of
    a change: at that one, and ever after, the fake refuses, as if its agent had been killed there.
    `before` is called with every change that is about to be made.
    """

    name = "programs"
    instant = True

    def __init__(self, interfaces: dict[str, int], now_ns: Callable[[], int] = lambda: 0) -> None:
        self.interfaces = interfaces
        self.made: list[ProgramsChange] = []
        self.before: Callable[[ProgramsChange], object] = lambda _: None
        self.cut_at: int | None = None
        self._now_ns = now_ns
        self._entries: dict[int, _Entry] = {}

    def probe(self) -> Capabilities:
        return Capabilities("fake", "tcx", "a fake takes everything", 2047, 2047, 0, 0)

    def scope(self, wanted: Wanted) -> None:
        """Everything: it is one table."""
        del wanted

    def concerns(self, target: Target) -> bool:
        del target
        return True

    def observe(self, only: Collection[int] | None = None) -> Mapping[int, Applied]:
        self._moment()
        found = self._entries if only is None else self._entries.keys() & set(only)
        return {ifindex: self._applied(self._entries[ifindex]) for ifindex in found}

    def plan(self, current: Mapping[int, Applied], wanted: Wanted) -> Sequence[ProgramsChange]:
        return plan(current, wanted)

    @property
    def binds(self) -> list[tuple[int, Assigned]]:
        """The stores among what was made."""
        return [(change.ifindex, change.assigned) for change in self.made if isinstance(change, Bind)]

    def apply(self, change: ProgramsChange) -> None:
        self.before(change)
        for part in self._parts(change):
            self._moment()
            part()
            self._moment()
        self.made.append(change)

    def vanished(self) -> set[int]:
        """Interfaces of attachments that are gone."""
        return self._entries.keys() - set(self.interfaces.values())

    def in_force(self, ifindex: int) -> str:
        """The digest of the persona that packets meet."""
        found = self.observe((ifindex,))[ifindex]
        return found.fallback if found.lapsed else found.digest

    def _moment(self) -> None:
        if self.cut_at is not None:
            if self.cut_at <= 0:
                raise DatapathError("cut short")
            self.cut_at -= 1

    def _applied(self, entry: _Entry) -> Applied:
        assigned = entry.assigned
        return Applied(
            entry.attachment,
            entry.facing,
            entry.on == set(Direction),
            digest_of(assigned.persona),
            assigned.expires_ns,
            digest_of(assigned.fallback),
            lapsed=bool(assigned.expires_ns) and assigned.expires_ns <= self._now_ns(),
        )

    def _parts(self, change: ProgramsChange) -> Iterator[Callable[[], object]]:
        match change:
            case Attach(endpoint=endpoint):
                yield partial(self._enlist, endpoint)
                for direction in Direction:
                    yield partial(self._entries[endpoint.ifindex].on.add, direction)
            case Detach(ifindex=ifindex) if ifindex in self._entries:
                for direction in Direction:
                    yield partial(self._entries[ifindex].on.discard, direction)
                yield partial(self._entries.pop, ifindex)
            case Bind():
                yield partial(self._bind, change)

    def _enlist(self, endpoint: Endpoint) -> None:
        if self.interfaces.get(endpoint.interface) != endpoint.ifindex:
            raise EndpointMissing(f"no interface {endpoint.interface} here; `ip link` lists those there are")
        taken = {entry.attachment for entry in self._entries.values()}
        number = next(number for number in range(1, 2048) if number not in taken)
        self._entries.setdefault(endpoint.ifindex, _Entry(number, endpoint.facing))

    def _bind(self, change: Bind) -> None:
        if change.ifindex not in self._entries:
            raise NotAttached(f"nothing is attached to interface {change.ifindex}; the next pass attaches")
        self._entries[change.ifindex].assigned = change.assigned
