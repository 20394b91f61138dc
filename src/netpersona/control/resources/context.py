"""What all resources of a manager share: the store, the clock, and how a change is committed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from netpersona.control.clock import Clock, rfc3339
from netpersona.control.problems import Conflict
from netpersona.control.store.protocol import CommitConflict, Event, Operation, Store
from netpersona.control.store.references import References

ATTEMPTS: Final = 5
"""How often a change is made anew from what is there, when others changed it meanwhile."""

Prepare = Callable[[], Sequence[Operation]]
"""Reads, refuses what cannot be, and says what to commit, with checks of all that it relied on."""


@dataclass(frozen=True, slots=True)
class Context:
    store: Store
    clock: Clock
    references: References

    @classmethod
    def of(cls, store: Store, clock: Clock) -> Context:
        return cls(store, clock, References(store))

    def now(self) -> str:
        return rfc3339(self.clock())

    async def commit(self, prepare: Prepare) -> Sequence[Event]:
        """What ``prepare`` says, prepared again if it met a conflict.

        Raises:
            Conflict: it met one each time, besides what ``prepare`` raises.
        """
        for _ in range(ATTEMPTS):
            try:
                return await self.store.commit(prepare())
            except CommitConflict as conflict:
                last = conflict
        raise Conflict(f"others change it at the same time ({last})", remedy="try again")
