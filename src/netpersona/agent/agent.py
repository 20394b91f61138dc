"""One host's agent: keeps what the data path does equal to what the manager wants.

Level-triggered. `desired` is what is wanted, whatever the order of the events that said so; a pass
compares all of it with the kernel. Two ways lead to the same code:

- an assignment of an attached workload is dressed at once, on the event loop (`Dresser`);
- everything that may block on netlink (look up, attach, detach) runs in one worker thread, in
  passes that never overlap.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from netpersona.agent.desired import Workload, dresses, parse_workload
from netpersona.agent.dresser import Dresser, Hold
from netpersona.agent.journal import Journal, Record
from netpersona.agent.reconcile import Action, Detach, Moment, plan_attachments
from netpersona.agent.status import Charge, Phase
from netpersona.agent.wardrobe import Wardrobe
from netpersona.agent.workloads import Found, Locate, Missing, Place, Refused, Unknown, rivals
from netpersona.datapath import Attached, Datapath, DatapathError, Endpoint
from netpersona.kinds.persona import PersonaError

STRIDE = 16
"""Workloads that a pass compares before it lets a switch go first: less than half a millisecond."""
LOOK_UPS = 8
"""Workloads in place that a pass looks up again, in turn."""
MOVES = 8
"""Attachments and detachments after which a pass ends if anything happened meanwhile, for the next to see.
Each waits for the kernel twice, some 25 ms."""

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Agent:
    """State and passes. Talks to no network; `Runner` feeds it. All methods run on one event loop."""

    def __init__(
        self,
        datapath: Datapath,
        journal: Journal,
        locate: Locate,
        moment: Callable[[], Moment],
        changed: Callable[[str], None],
    ) -> None:
        """`changed` is told the workload whose status should go out now."""
        self._datapath = datapath
        self._journal = journal
        self._locate = locate
        self._changed = changed
        self.wardrobe = Wardrobe()
        self._moment = moment
        self._dresser = Dresser(datapath, journal, self.wardrobe, moment)
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="netlink")
        self._compiler = ThreadPoolExecutor(max_workers=1, thread_name_prefix="compile")
        self._compiling: dict[str, asyncio.Task[None]] = {}
        self._passing = asyncio.Lock()
        self.charges: dict[str, Charge] = {}
        self._again: set[str] = set()
        self.synced = False
        self._turn = 0
        self.wake = asyncio.Event()

    def adopt(self) -> None:
        """Take up what the journal says is wanted and attached; touches nothing."""
        for record in self._journal.records.values():
            try:
                workload = parse_workload(json.loads(record.document))
            except ValueError as error:
                _log.warning("passed over in the journal", workload=record.workload_id, error=str(error))
                continue
            hold = Hold(record.attachment, record.ifindex) if record.attachment else None
            self.charges[record.workload_id] = Charge(workload, hold=hold)

    def replace_all(self, workloads: Iterable[Workload]) -> None:
        """The manager told everything that it wants: what it did not name is no longer wanted.

        It is told in turn how everything is, for it may have started anew, and it keeps no status.
        """
        wanted = {workload.workload_id: workload for workload in workloads}
        for workload_id in self.charges.keys() - wanted.keys():
            del self.charges[workload_id]
        for workload in wanted.values():
            self._expect(workload)
            if self.charges[workload.workload_id].known:
                self._changed(workload.workload_id)
        self.synced = True
        self.wake.set()

    def want(self, workload: Workload) -> None:
        """A workload was added or changed. The fast path: one store where it is attached already."""
        moved = self._expect(workload)
        charge = self.charges[workload.workload_id]
        if moved or not charge.located:
            self.wake.set()
        else:
            self._dress(charge)

    def look_again(self, moved: Callable[[Workload], bool]) -> None:
        """Something happened to workloads that `moved` tells; the next pass looks them up."""
        self._again |= {name for name, charge in self.charges.items() if moved(charge.workload)}

    def unwant(self, workload_id: str) -> None:
        """A workload was deleted; the next pass takes the programs off."""
        self.charges.pop(workload_id, None)
        self.wake.set()

    def known(self, workload_id: str) -> Charge | None:
        """What can be reported of a workload: None before it was looked for.

        Whoever waits for a persona would take the "missing" of an agent that has just started for the answer.
        """
        charge = self.charges.get(workload_id)
        return charge if charge is not None and charge.known else None

    async def reconcile(self, *, again: int = 0) -> None:
        """One pass: looks up what is not in place, and `again` of those that are, then compares all."""
        async with self._passing:
            self.wake.clear()
            attached = await self._in_worker(self._datapath.attached)
            self._drop_vanished(attached)
            moved, self._again = self._again, set()
            asked = {workload.workload_id: workload for workload in self._to_look_up(moved, again)}
            places = await self._in_worker(lambda: self._locate(asked.values()))
            await self._move(self._settle(places), attached)
            await self._dress_all()

    def close(self) -> None:
        """Let the workers finish; leaves enforcement as it is."""
        for task in self._compiling.values():
            task.cancel()
        self._compiler.shutdown(cancel_futures=True)
        self._worker.shutdown()

    def _to_look_up(self, moved: Iterable[str], again: int) -> Iterator[Workload]:
        """What something happened to goes first, before a thousand new ones."""
        yield from (self.charges[name].workload for name in moved if name in self.charges)
        yield from (charge.workload for charge in self.charges.values() if not charge.located)
        yield from self._in_turn(again)

    def _in_turn(self, count: int) -> list[Workload]:
        """The next of the workloads in place."""
        there = [charge.workload for charge in self.charges.values() if charge.located]
        start, self._turn = self._turn, self._turn + count
        return [there[at % len(there)] for at in range(start, start + min(count, len(there)))]

    async def _dress_all(self) -> None:
        generations = self._datapath.generations()
        due = [charge for charge in self.charges.values() if not _stands(charge, generations)]
        for number, charge in enumerate(due):
            if number % STRIDE == STRIDE - 1:
                await asyncio.sleep(0)
            # It may have been deleted, or moved, while others were served.
            if charge.located and self.charges.get(charge.workload.workload_id) is charge:
                self._dress(charge)

    def _expect(self, workload: Workload) -> bool:
        """Note what is wanted; True if it must be looked for."""
        charge = self.charges.get(workload.workload_id)
        if charge is None:
            self.charges[workload.workload_id] = Charge(workload, wanted_ns=self._moment().monotonic_ns)
            return True
        moved = charge.workload.place != workload.place
        if charge.workload.sequence != workload.sequence:
            charge.wanted_ns = self._moment().monotonic_ns
        charge.workload = workload
        charge.located = charge.located and not moved
        return moved

    def _drop_vanished(self, attached: Iterable[Attached]) -> None:
        there = {(entry.attachment, entry.ifindex) for entry in attached if entry.interface is not None}
        for charge in self.charges.values():
            hold = charge.hold
            charge.vanished = hold is None or (hold.attachment, hold.ifindex) not in there
            charge.located = charge.located and not charge.vanished

    def _settle(self, places: dict[str, Place]) -> dict[str, Place]:
        """Note what was found; what is left is what a plan can be made of."""
        holders = {name: charge.hold.ifindex for name, charge in self.charges.items() if charge.hold}
        for loser, winner in rivals(places, holders).items():
            places[loser] = Refused(
                f"workload {winner} already wears a persona on this interface; delete one of the two"
            )
        for name, place in places.items():
            if name in self.charges:
                self._place(self.charges[name], place)
        return {
            name: place
            for name, place in places.items()
            if name in self.charges and not isinstance(place, Unknown)
        }

    def _place(self, charge: Charge, place: Place) -> None:
        if isinstance(place, Found):
            return
        if isinstance(place, Unknown):
            charge.located = not charge.vanished  # what is attached stays so, and is dressed
            if charge.vanished and place.reason:
                self._say(charge, "error", place.reason)
            return
        charge.applied_sequence, charge.dressed = -1, None
        self._remember(charge.workload)
        self._say(charge, "missing" if isinstance(place, Missing) else "refused", place.reason)

    def _remember(self, workload: Workload) -> None:
        """So that a restarted agent goes on waiting for it while the manager is away."""
        try:
            self._journal.put(Record(workload.workload_id, workload.document))
        except OSError as error:
            _log.error("cannot write the journal", workload=workload.workload_id, error=str(error))

    async def _move(self, places: dict[str, Place], attached: list[Attached]) -> None:
        holds = {name: charge.hold.attachment for name, charge in self.charges.items() if charge.hold}
        theirs = {holds[name] for name in holds.keys() - places.keys()}
        # A workload that was added while this pass looked others up may own any of the rest.
        known = all(name in places or charge.located for name, charge in self.charges.items())
        rest = [entry for entry in attached if entry.attachment not in theirs]
        plan = plan_attachments(places, holds, rest, orphans=self.synced and known)
        moving = {action.workload_id for action in plan}
        for name, place in places.items():
            self.charges[name].located = isinstance(place, Found) and name not in moving
            if not isinstance(place, Found) and name not in moving:
                self.charges[name].hold = None
        await self._apply_all(plan)
        if self.synced:
            self._forget(self._journal.records.keys() - self.charges.keys())

    async def _apply_all(self, plan: Iterable[Action]) -> None:
        """What failed is no reason to end early: it would be first in the next pass, too."""
        done = 0
        for action in plan:
            done += await self._apply(action)
            if done >= MOVES and self.wake.is_set():
                return

    def _forget(self, gone: Iterable[str]) -> None:
        """What cannot be struck out of the journal now is in the next pass."""
        try:
            for name in gone:
                self._journal.forget(name)
        except OSError as error:
            _log.error("cannot write the journal", error=str(error))

    async def _apply(self, action: Action) -> bool:
        """Whether it was done."""
        charge = self.charges.get(action.workload_id or "")
        try:
            if isinstance(action, Detach):
                await self._in_worker(lambda: self._datapath.detach(action.attachment))
                _log.info("detached", workload=action.workload_id, attachment=action.attachment)
                if charge is not None:
                    charge.hold = None
            elif charge is not None:
                await self._attach(charge, action.endpoint)
        except DatapathError as error:
            _log.error("cannot apply", action=str(action), error=str(error))
            if charge is not None:
                self._say(charge, "error", str(error))
            return False
        return True

    async def _attach(self, charge: Charge, endpoint: Endpoint) -> None:
        place = charge.workload.place
        attachment = await self._in_worker(
            lambda: self._datapath.attach(endpoint.interface, endpoint.facing, ifindex=endpoint.ifindex)
        )
        name = charge.workload.workload_id
        _log.info("attached", workload=name, interface=endpoint.interface, attachment=attachment)
        charge.hold, charge.dressed = Hold(attachment, endpoint.ifindex), None
        charge.located = charge.workload.place == place
        if charge.located and self.charges.get(name) is charge:
            self._dress(charge)

    def _dress(self, charge: Charge) -> None:
        """At once where the personas are compiled, else once they are; no work where nothing changed."""
        if charge.hold is None:
            return
        try:
            if charge.dressed == (charge.workload, self._datapath.binding(charge.hold.attachment)):
                self._say(charge, "attached", "")
            elif self.wardrobe.lacks(charge.workload.assignment):
                self._compile(charge)
            else:
                self._put_on(charge, charge.hold)
        except (PersonaError, DatapathError, OSError) as error:
            self._say(charge, "error", str(error))

    def _compile(self, charge: Charge) -> None:
        name = charge.workload.workload_id
        if name not in self._compiling:
            self._compiling[name] = asyncio.get_running_loop().create_task(self._compile_and_dress(charge))

    async def _compile_and_dress(self, charge: Charge) -> None:
        name, wanted = charge.workload.workload_id, dresses(charge.workload.assignment)
        try:
            for dress in wanted:
                await asyncio.get_running_loop().run_in_executor(
                    self._compiler, self.wardrobe.compiled, dress
                )
        except PersonaError as error:
            self._say(charge, "error", str(error))
            if wanted == dresses(charge.workload.assignment):
                return
        finally:
            del self._compiling[name]
        if charge.located and self.charges.get(name) is charge:
            self._dress(charge)

    async def compiled(self) -> None:
        """Returns when nothing waits for a persona to be compiled."""
        while self._compiling:
            await asyncio.gather(*self._compiling.values())

    def _put_on(self, charge: Charge, hold: Hold) -> None:
        worn = self._dresser.dress(charge.workload, hold)
        news = charge.applied_sequence != worn.sequence
        if news:
            now = self._moment()
            charge.applied_ns, charge.applied_at = now.monotonic_ns, now.wall
        charge.applied_sequence, charge.warnings = worn.sequence, worn.warnings
        charge.dressed = (charge.workload, worn.binding)
        self._say(charge, "attached", "", news=news)

    def _say(self, charge: Charge, phase: Phase, message: str, *, news: bool = False) -> None:
        if news or not charge.known or (charge.phase, charge.message) != (phase, message):
            charge.phase, charge.message, charge.known = phase, message, True
            self._changed(charge.workload.workload_id)

    async def _in_worker(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker, call)


def _stands(charge: Charge, generations: Sequence[int]) -> bool:
    """Whether it wears what was put on last, which is what is wanted, and was said to."""
    if charge.dressed is None or charge.hold is None or charge.phase != "attached":
        return False
    workload, binding = charge.dressed
    return workload is charge.workload and binding.generation == generations[charge.hold.attachment]
