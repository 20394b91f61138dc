"""One host's agent: keeps what its drivers do equal to what the manager wants.

Level-triggered: the newest wish counts, whatever the order of the events that said so. A pass looks workloads
up (`locator.py`), works out what is wanted of which interface (`targets.py`, pure) and has the drivers make
it so (`reconciler.py`). A switch of what is attached goes straight to the last step.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import structlog

from netpersona.agent.compiled import CompiledCache
from netpersona.agent.desired import Workload, parse_workload, references
from netpersona.agent.journal import Journal, Record
from netpersona.agent.locator import Locate
from netpersona.agent.places import Found, Missing, Place, Refused, Unknown
from netpersona.agent.reconciler import STRIDE, Reconciler
from netpersona.agent.status import Phase, WorkloadState
from netpersona.agent.targets import Moment, assigned, has_left, in_turn, rivals, site
from netpersona.datapath import Assigned, Driver, Target
from netpersona.kinds.persona import InvalidDocument

LOOK_UPS = 8
"""Workloads in place that a pass looks up again, in turn."""

_LONG_AGO_NS = 1
"""CLOCK_MONOTONIC. On record, it keeps what was given up from coming back with a restarted agent."""

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Agent:
    """State and passes. Talks to no network; `Runner` feeds it. All methods run on one event loop."""

    def __init__(
        self,
        drivers: Sequence[Driver[Any, Any]],
        journal: Journal,
        locate: Locate,
        vanished: Callable[[], Set[int]],
        moment: Callable[[], Moment],
        changed: Callable[[str], None],
    ) -> None:
        """`vanished` answers which interfaces are gone of those attached, `changed` is told who has news."""
        self._journal = journal
        self._locate = locate
        self._vanished = vanished
        self._moment = moment
        self._changed = changed
        self.states: dict[str, WorkloadState] = {}
        self.compiled = CompiledCache(self._documents)
        self._reconciler = Reconciler(drivers, ahead=self._write_ahead, reported=self._reported)
        self._netlink = ThreadPoolExecutor(max_workers=1, thread_name_prefix="netlink")
        self._compiler = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compile")
        self._compiling: dict[str, asyncio.Task[None]] = {}
        self._passing = asyncio.Lock()
        self._again: set[str] = set()
        self._turn = 0
        self.synced = False
        self.wake = asyncio.Event()

    # ---- what is wanted --------------------------------------------------------------------------

    def adopt(self) -> None:
        """Take up what the journal says is wanted and attached; touches nothing."""
        for record in self._journal.records.values():
            try:
                workload = parse_workload(json.loads(record.document))
            except ValueError as error:
                _log.warning("passed over in the journal", workload=record.workload_id, error=str(error))
                continue
            self.states[record.workload_id] = WorkloadState(workload, held=record.ifindex)

    def replace_all(self, workloads: Iterable[Workload]) -> None:
        """The manager told everything that it wants: what it did not name is no longer wanted.

        It is told in turn how everything is, for it may have started anew, and it keeps no status.
        """
        wanted = {workload.workload_id: workload for workload in workloads}
        for workload_id in self.states.keys() - wanted.keys():
            self.unwant(workload_id)
        for workload in wanted.values():
            if self._expect(workload).known:
                self._changed(workload.workload_id)
        self.synced = True
        self.wake.set()

    def want(self, workload: Workload) -> None:
        """A workload was added or changed. The fast path: one store where it is attached already."""
        state = self._expect(workload)
        if not self._put(state):
            self.wake.set()

    def give_up(self, workload_id: str, sequence: int) -> None:
        """Put the fallback of an assignment in force, before its end; nothing if it is another by now."""
        state = self.states.get(workload_id)
        if state is None or state.workload.sequence != sequence:
            return
        state.ended, state.aimed = sequence, None
        if not self._put(state):
            self.wake.set()

    def unwant(self, workload_id: str) -> None:
        """A workload was deleted; the next pass takes everything off."""
        state = self.states.pop(workload_id, None)
        if state is not None and state.target is not None:
            self._reconciler.drop(state.target)
        self.wake.set()

    def look_again(self, moved: Callable[[Workload], bool]) -> None:
        """Something happened to workloads that `moved` tells; the next pass looks them up."""
        self._again |= {name for name, state in self.states.items() if moved(state.workload)}

    def known(self, workload_id: str) -> WorkloadState | None:
        """What can be reported of a workload: None before it was looked for.

        Whoever waits for a persona would take the "missing" of an agent that has just started for the answer.
        """
        state = self.states.get(workload_id)
        return state if state is not None and state.known else None

    def _expect(self, workload: Workload) -> WorkloadState:
        """Note what is wanted; where it is must be looked up if that may have changed."""
        now_ns = self._moment().monotonic_ns
        state = self.states.get(workload.workload_id)
        if state is None:
            state = self.states[workload.workload_id] = WorkloadState(workload, wanted_ns=now_ns)
        elif state.workload.place != workload.place:
            state.place = None
        if state.workload.sequence != workload.sequence:
            state.wanted_ns = now_ns
        state.workload = workload
        return state

    def _put(self, state: WorkloadState) -> bool:
        """What takes an instant, now. False if a pass must do the rest."""
        target = self._aim(state)
        return target is not None and not self._reconciler.want(target)

    # ---- passes ----------------------------------------------------------------------------------

    async def reconcile(self, *, again: int = 0) -> None:
        """One pass: looks up what is not in place, and `again` of those that are, then compares all."""
        async with self._passing:
            self.wake.clear()
            gone = await self._drop_vanished()
            moved, self._again = self._again, set()
            asked = {workload.workload_id: workload for workload in self._to_look_up(moved, again)}
            self._settle(await self._off_loop(lambda: self._locate(asked.values())))
            await self._aim_all()
            states = list(self.states.values())
            await self._reconciler.run(
                released=gone | {state.held for state in states if has_left(state.place, state.held)},
                complete=self.synced and all(state.place is not None for state in states),
                urgent=moved,
                hurried=self.wake.is_set,
            )
            self._forget()

    def close(self) -> None:
        """Let the workers finish; leaves enforcement as it is."""
        for task in self._compiling.values():
            task.cancel()
        self._reconciler.close()
        self._compiler.shutdown(cancel_futures=True)
        self._netlink.shutdown()

    async def _drop_vanished(self) -> Set[int]:
        """Interfaces that are gone of those attached: their workloads must be looked up."""
        gone = await self._off_loop(self._vanished)
        for state in self.states.values() if gone else ():
            if state.held in gone:
                state.held = 0
            if isinstance(state.place, Found) and state.place.endpoint.ifindex in gone:
                state.place = None
        return gone

    def _to_look_up(self, moved: Iterable[str], again: int) -> Iterator[Workload]:
        """What something happened to goes first, before a thousand new ones."""
        yield from (self.states[name].workload for name in moved if name in self.states)
        there: list[Workload] = []
        for state in self.states.values():
            if state.in_place:
                there.append(state.workload)
            else:
                yield state.workload
        yield from in_turn(there, self._turn, again)
        self._turn += again

    def _settle(self, places: dict[str, Place]) -> None:
        """Note what was found of workloads that are still wanted."""
        holders = {name: state.held for name, state in self.states.items() if state.held}
        for loser, winner in rivals(places, holders).items():
            places[loser] = Refused(
                f"workload {winner} already wears a persona on this interface; delete one of the two"
            )
        for name, place in places.items():
            if name in self.states:
                self._place(self.states[name], place)

    def _place(self, state: WorkloadState, place: Place) -> None:
        state.place = place
        if isinstance(place, Missing | Refused):
            state.applied_sequence = -1
            self._write(Record(state.workload.workload_id, state.workload.document))
            self._say(state, "missing" if isinstance(place, Missing) else "refused", place.reason)
        elif isinstance(place, Unknown) and not state.held and place.reason:
            self._say(state, "error", place.reason)

    async def _aim_all(self) -> None:
        for number, state in enumerate(list(self.states.values())):
            if number % STRIDE == STRIDE - 1:
                await asyncio.sleep(0)
            if self.states.get(state.workload.workload_id) is state:
                self._aim(state)

    def _aim(self, state: WorkloadState) -> Target | None:
        """What is wanted of the workload's interface, as the reconciler knows it from now on."""
        before, at = state.target, site(state.place, state.held)
        if at is None:
            state.target = None
        elif not state.is_aimed(at):
            workload = state.workload
            target = Target(workload.workload_id, *at, self._assigned(state), workload.sequence)
            # A newer wish for the same is another target: that it is in force is news.
            if target != before or state.aimed is None or state.aimed[0] is not state.workload:
                state.target = target
            state.aimed = (state.workload, at)
        if before is not None and (state.target is None or state.target.ifindex != before.ifindex):
            self._reconciler.drop(before)
        if state.target is not None:
            self._reconciler.note(state.target)
        return state.target

    def _assigned(self, state: WorkloadState) -> Assigned | None:
        """None while a persona is compiled, or if it cannot be."""
        personas = references(state.workload.assignment)
        found = [compiled for persona in personas if (compiled := self.compiled.find(persona))]
        if len(found) < len(personas):
            self._compile(state)
            return None
        recorded_ns = self._recorded_ns(state.workload)
        return assigned(state.workload.assignment, found, self._moment(), recorded_ns=recorded_ns)

    # ---- what came of it -------------------------------------------------------------------------

    def _reported(self, workload_id: str) -> None:
        state = self.states.get(workload_id)
        target = state.target if state else None
        if state is None or target is None:
            return
        problems = [s.problem for s in self._reconciler.statuses(workload_id).values() if s.problem]
        news = self._reconciler.is_settled(target) and self._in_force(state, target)
        if problems:
            unknown = state.place.reason if isinstance(state.place, Unknown) else None
            if unknown != "":  # the answer is under way
                self._say(state, "error", unknown or "; ".join(problems), news=news)
        elif target.assigned is not None:
            self._say(state, "attached", "", news=news)

    def _in_force(self, state: WorkloadState, target: Target) -> bool:
        """Note that what is wanted is in force; True if it was something else before."""
        if target.assigned is None:
            return False
        now = self._moment()
        state.held = target.ifindex
        state.warnings = target.assigned.persona.warnings if target.assigned.persona else ()
        record = self._record(state, target)
        self._write(record)
        if state.applied_sequence == record.sequence:
            return False
        state.applied_ns, state.applied_at = now.monotonic_ns, now.wall
        state.applied_sequence = record.sequence
        return True

    def _say(self, state: WorkloadState, phase: Phase, message: str, *, news: bool = False) -> None:
        if news or not state.known or (state.phase, state.message) != (phase, message):
            state.phase, state.message, state.known = phase, message, True
            self._changed(state.workload.workload_id)

    # ---- the journal -----------------------------------------------------------------------------

    def _write_ahead(self, target: Target) -> None:
        """Raises OSError: then nothing is switched."""
        self._journal.put(self._record(self.states[target.workload_id], target))

    def _record(self, state: WorkloadState, target: Target) -> Record:
        """By the wish that the target was made of: a newer one may have come during a pass."""
        workload = state.aimed[0] if state.aimed else state.workload
        expires_ns = target.assigned.expires_ns if target.assigned else 0
        return Record(
            workload.workload_id,
            workload.document,
            target.ifindex,
            workload.sequence,
            expires_ns or self._recorded_ns(workload),
        )

    def _recorded_ns(self, workload: Workload) -> int:
        state = self.states.get(workload.workload_id)
        if state is not None and state.ended == workload.sequence:
            return _LONG_AGO_NS
        record = self._journal.records.get(workload.workload_id)
        return record.expires_ns if record is not None and record.sequence == workload.sequence else 0

    def _write(self, record: Record) -> None:
        """What a restarted agent goes on with while the manager is away."""
        try:
            self._journal.put(record)
        except OSError as error:
            _log.error("cannot write the journal", workload=record.workload_id, error=str(error))

    def _forget(self) -> None:
        """Workloads that are gone. What cannot be struck out of the journal now is in the next pass."""
        if not self.synced:
            return
        try:
            for name in self._journal.records.keys() - self.states.keys():
                self._journal.forget(name)
        except OSError as error:
            _log.error("cannot write the journal", error=str(error))

    # ---- compiling -------------------------------------------------------------------------------

    def _compile(self, state: WorkloadState) -> None:
        name = state.workload.workload_id
        if name not in self._compiling and state.unreadable is not state.workload:
            self._compiling[name] = asyncio.get_running_loop().create_task(self._compile_and_put(state))

    async def _compile_and_put(self, state: WorkloadState) -> None:
        workload, loop = state.workload, asyncio.get_running_loop()
        try:
            for persona in references(workload.assignment):
                await loop.run_in_executor(self._compiler, self.compiled.compile, persona)
        except InvalidDocument as error:
            state.unreadable = workload
            self._say(state, "error", str(error))
        finally:
            del self._compiling[workload.workload_id]
        if self.states.get(workload.workload_id) is state and not self._put(state):
            self.wake.set()

    async def all_compiled(self) -> None:
        """Returns when nothing waits for a persona to be compiled."""
        while self._compiling:
            await asyncio.gather(*self._compiling.values())

    def _documents(self) -> Set[str]:
        """Of the personas that workloads are assigned. From any thread."""
        states = list(self.states.values())
        return {persona.document for state in states for persona in references(state.workload.assignment)}

    async def _off_loop(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._netlink, call)
