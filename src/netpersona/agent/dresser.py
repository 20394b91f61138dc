"""Puts the wanted persona on an attached workload: the fast path of a switch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netpersona.agent.desired import Assignment, Workload
from netpersona.agent.journal import Journal, Record
from netpersona.agent.reconcile import Moment, Wish, expiry_ns, needs_switch
from netpersona.agent.wardrobe import Wardrobe
from netpersona.datapath import NULL_SLOT, Binding, Datapath


@dataclass(frozen=True)
class Hold:
    """An attachment that a workload has."""

    attachment: int
    ifindex: int


@dataclass(frozen=True)
class Worn:
    """What a binding says after `Dresser.dress`."""

    sequence: int
    binding: Binding
    warnings: tuple[str, ...]


class Dresser:
    """One binding store at most per call, journalled ahead, and none where the binding agrees."""

    def __init__(
        self, datapath: Datapath, journal: Journal, wardrobe: Wardrobe, moment: Callable[[], Moment]
    ) -> None:
        self._datapath = datapath
        self._journal = journal
        self._wardrobe = wardrobe
        self._moment = moment

    def dress(self, workload: Workload, hold: Hold) -> Worn:
        """Raises PersonaError, DatapathError or OSError (journal); the old persona then stays on."""
        moment = self._moment()
        binding = self._datapath.binding(hold.attachment)
        wish = self._wish(workload, hold, binding, moment)
        self._record(workload, hold, wish)
        if needs_switch(binding, wish, moment.monotonic_ns):
            self._datapath.switch(
                hold.attachment, wish.slot, expires_ns=wish.expires_ns, fallback_slot=wish.fallback_slot
            )
            binding = self._datapath.binding(hold.attachment)
        return Worn(workload.sequence, binding, self._warnings(workload.assignment))

    def _wish(self, workload: Workload, hold: Hold, binding: Binding, moment: Moment) -> Wish:
        assignment = workload.assignment
        if assignment is None:
            return Wish(NULL_SLOT)
        slot = self._datapath.install(self._wardrobe.compiled(assignment.worn))
        if assignment.expires_at is None:
            return Wish(slot)
        fallback = assignment.fallback
        after = self._datapath.install(self._wardrobe.compiled(fallback)) if fallback else NULL_SLOT
        bound_ns = binding.expires_ns if binding.slot == slot else 0
        recorded_ns = self._recorded_ns(workload, hold)
        expires_ns = expiry_ns(assignment, moment, recorded_ns=recorded_ns, bound_ns=bound_ns)
        # Over before we got to it: the fallback is what is wanted, with no glimpse of the other.
        return Wish(slot, expires_ns, after) if expires_ns > moment.monotonic_ns else Wish(after)

    def _recorded_ns(self, workload: Workload, hold: Hold) -> int:
        record = self._journal.records.get(workload.workload_id)
        if record is None or record.attachment != hold.attachment or record.sequence != workload.sequence:
            return 0
        return record.expires_ns

    def _record(self, workload: Workload, hold: Hold, wish: Wish) -> None:
        recorded_ns = self._recorded_ns(workload, hold)
        self._journal.put(
            Record(
                workload_id=workload.workload_id,
                document=workload.document,
                attachment=hold.attachment,
                ifindex=hold.ifindex,
                sequence=workload.sequence,
                expires_ns=wish.expires_ns or recorded_ns,
            )
        )

    def _warnings(self, assignment: Assignment | None) -> tuple[str, ...]:
        return self._wardrobe.compiled(assignment.worn).warnings if assignment else ()
