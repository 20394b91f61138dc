"""Hardware settings as a driver: saved before they are changed, a step an interface, all of it or nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, NoReturn

import structlog

from netpersona.datapath.driver import Target, Wanted
from netpersona.datapath.errors import DatapathError, EndpointMissing, HardwareRefused, refusals
from netpersona.datapath.nic.ethtool import Access, Nic
from netpersona.datapath.nic.plan import (
    Failed,
    Forget,
    Found,
    Made,
    NicChange,
    Reconfigure,
    Refuse,
    Undo,
    Unread,
    back,
    hardware_of,
    moved,
    plan_all,
    returns,
    wish_of,
)
from netpersona.datapath.nic.saved import Record, Records
from netpersona.kinds.hardware import LABELS, Delta, Hardware, plan, report_document

LOOKS = 32
"""Interfaces that nothing is asked of, and that a pass reads for the first time. Some 0.5 ms each."""
ROUNDS = 3
"""How often a plan is made anew while one setting moves others."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class NicCapabilities:
    """Of this host: what an interface can do its own report says."""

    access: str = "ethtool netlink, ioctl for single queues, receive tables and n-tuple rules"


class NicDriver:
    """See `Driver`. Reads an interface when first asked of it, then when the kernel tells of a change."""

    name = "nic"
    instant = False

    def __init__(self, access: Access, records: Records) -> None:
        self._access, self._records = access, records
        self._seen: dict[int, Nic] = {}
        self._failed: dict[int, Failed] = {}
        self._asked: dict[int, Hardware] = {}
        """What was last made so, of this process."""
        self._reports: dict[int, tuple[Nic, Record | None, Mapping[str, Any]]] = {}

    def probe(self) -> NicCapabilities:
        return NicCapabilities()

    # ---- what there is ---------------------------------------------------------------------------

    def scope(self, wanted: Wanted) -> Collection[int]:
        """Interfaces that are, or may have to be, another than they were found."""
        asking = {ifindex for ifindex, target in wanted.targets.items() if hardware_of(target)}
        new = [ifindex for ifindex in wanted.targets if ifindex not in self._seen and ifindex not in asking]
        return asking | self._records.by_ifindex.keys() | set(new[:LOOKS])

    def concerns(self, target: Target) -> bool:
        """Whether there may be something to do: not between personas that ask the same."""
        if target.assigned is None:
            return False
        asked = self._asked.get(target.ifindex)
        if asked is None:  # nothing yet, or by an agent before us
            return bool(hardware_of(target)) or target.ifindex in self._records.by_ifindex
        return asked != hardware_of(target) or target.ifindex in self._failed

    def observe(self, only: Collection[int] | None = None) -> Mapping[int, Found]:
        """Without `only`, those that we changed."""
        self._forget_changed()
        asked = self._records.by_ifindex.keys() if only is None else only
        found = {ifindex: self._found(ifindex) for ifindex in list(asked)}
        return {ifindex: one for ifindex, one in found.items() if one is not None}

    def report(self, ifindex: int) -> Mapping[str, Any] | None:
        """What `HardwareReport` reads; None before the interface was looked at. From any thread."""
        nic = self._seen.get(ifindex)
        if nic is None:
            return None
        record = self._records.by_ifindex.get(ifindex)
        before = self._reports.get(ifindex)
        if before is None or before[0] is not nic or before[1] is not record:
            drift = self._with_record(nic, record, ifindex).drift
            document = report_document(nic.capabilities, nic.settings, record.saved if record else {}, drift)
            before = self._reports[ifindex] = (nic, record, document)
        return before[2]

    def _forget_changed(self) -> None:
        changed = self._access.changed()
        for ifindex in self._seen.keys() & (self._seen.keys() if changed is None else changed):
            del self._seen[ifindex]
        for ifindex in self._records.by_ifindex.keys() & self._seen.keys():
            if any(key.startswith(("queue/", "rss/", "ntuple/")) for key in self._seen[ifindex].settings):
                del self._seen[ifindex]  # of these the kernel tells nobody

    def _found(self, ifindex: int) -> Found | None:
        record = self._records.by_ifindex.get(ifindex)
        try:
            nic = self._look(ifindex)
        except DatapathError as error:  # it is no reason to leave the others alone
            return Found(None, made=_made(record), unread=str(error))
        if nic is None:
            for kept in (self._failed, self._asked, self._reports):
                kept.pop(ifindex, None)
            return Found(None, made=_made(record)) if record is not None else None
        if record is not None and not record.is_of(nic, self._records.boot):
            _log.warning("forgotten: saved of another interface", ifindex=ifindex, interface=record.name)
            self._records.remove(ifindex)
            record = None
        elif record is not None and record.boot != self._records.boot:
            record = self._after_reboot(record)
        return self._with_record(nic, record, ifindex)

    def _with_record(self, nic: Nic, record: Record | None, ifindex: int) -> Found:
        return Found(nic.settings, nic.capabilities, _made(record), self._failed.get(ifindex))

    def _after_reboot(self, record: Record) -> Record:
        """Nothing of what we set is left, and what was before is again."""
        fresh = record.model_copy(
            update={"boot": self._records.boot, "applied": {}, "sequence": -1, "wish": "", "before": None}
        )
        self._records.put(fresh)
        return fresh

    def _look(self, ifindex: int) -> Nic | None:
        nic = self._seen.get(ifindex)
        if nic is None:
            with refusals(f"read the settings of interface {ifindex}"):
                nic = self._access.read(ifindex)
            if nic is not None:
                self._seen[ifindex] = nic
        return nic

    def _look_anew(self, ifindex: int) -> Nic:
        self._seen.pop(ifindex, None)
        nic = self._look(ifindex)
        if nic is None:
            raise EndpointMissing(f"interface {ifindex} is gone")
        return nic

    # ---- what is to be ---------------------------------------------------------------------------

    def plan(self, current: Mapping[int, Found], wanted: Wanted) -> Sequence[NicChange]:
        return plan_all(current, wanted)

    def apply(self, change: NicChange) -> None:
        """Raises HardwareRefused for what was not made so, and left as it was."""
        match change:
            case Refuse(reason=reason):
                raise HardwareRefused(reason)
            case Unread(reason=reason):
                raise DatapathError(reason)
            case Forget(ifindex=ifindex):
                self._remove(ifindex)
            case Undo(ifindex=ifindex):
                self._undo(ifindex)
            case Reconfigure():
                self._reconfigure(change)

    def _reconfigure(self, change: Reconfigure) -> None:
        ifindex, wish = change.ifindex, wish_of(change.hardware)
        self._undo(ifindex)
        before = self._look_anew(ifindex)
        record = self._records.by_ifindex.get(ifindex) or self._new(ifindex, before)
        try:
            nic, record = self._make(change, before, record)
        except EndpointMissing:
            raise
        except (DatapathError, OSError) as error:
            self._give_up(ifindex, Failed(wish, change.sequence, str(error)))
        self._failed.pop(ifindex, None)
        self._asked[ifindex] = change.hardware
        self._settle(record, nic, change, wish)

    def _make(self, change: Reconfigure, nic: Nic, record: Record) -> tuple[Nic, Record]:
        """Until nothing differs. What is about to be changed is on disk before it is."""
        for _ in range(ROUNDS):
            found = self._with_record(nic, record, change.ifindex)
            result = plan(nic.settings, change.hardware, nic.capabilities, returns(found, change.hardware))
            if result.refusals:
                raise HardwareRefused("; ".join(map(str, result.refusals)))
            if not result.deltas:
                return nic, record
            if LABELS.index(result.label) > LABELS.index(change.label):
                raise EndpointMissing(f"interface {change.ifindex} changed meanwhile; planned anew")
            record = self._intend(record, nic, result.deltas)
            nic = self._set(change.ifindex, result.deltas)
        raise HardwareRefused(f"the settings of interface {change.ifindex} do not settle: one moves another")

    def _intend(self, record: Record, nic: Nic, changes: Sequence[Delta]) -> Record:
        before = nic.settings if record.before is None else record.before
        first = {delta.key: before.get(delta.key) for delta in changes if delta.key not in record.moved}
        intended = record.model_copy(update={"before": dict(before), "saved": {**first, **record.saved}})
        if intended != record:
            self._records.put(intended)
        return intended

    def _set(self, ifindex: int, changes: Sequence[Delta]) -> Nic:
        """Step by step, each read back."""
        nic = self._seen[ifindex]
        for step, group in groupby(changes, lambda delta: delta.step):
            values = {delta.key: delta.after for delta in group}
            with refusals(f"set {', '.join(f'{key} to {value}' for key, value in values.items())}"):
                self._access.put(ifindex, step, values)
                nic = self._look_anew(ifindex)
            for key, value in values.items():
                made = nic.settings.get(key)
                if made != value:
                    raise HardwareRefused(
                        f"{key} was set to {value} and the driver made {made} of it: write that"
                    )
        return nic

    def _settle(self, record: Record, nic: Nic, change: Reconfigure, wish: str) -> None:
        """Keep of the record what still has to go back one day; nothing: no record."""
        found = self._with_record(nic, record, change.ifindex)
        asked = plan(nic.settings, change.hardware, nic.capabilities, record.saved).asked
        now = nic.settings
        first = {**now, **moved(found), **record.saved}
        saved = {key: first.get(key) for key in asked}
        others = ((key, was) for key, was in moved(found).items() if key not in asked)
        with_others = {key: was for key, was in others if now.get(key) != was}
        if not change.hardware or not (saved or with_others):
            self._remove(change.ifindex)
            return
        done = {
            "saved": saved,
            "applied": {key: now.get(key) for key in saved},
            "moved": with_others,
            "wish": wish,
            "sequence": change.sequence,
            "before": None,
        }
        self._records.put(record.model_copy(update=done))

    # ---- the way back ----------------------------------------------------------------------------

    def _give_up(self, ifindex: int, failed: Failed) -> NoReturn:
        """After a failure: back to what was, or a record that says what is left to be undone."""
        try:
            self._undo(ifindex)
        except (DatapathError, OSError) as error:
            raise DatapathError(f"{failed.problem}; it cannot be undone yet: {error}") from error
        self._failed[ifindex] = replace(
            failed, problem=f"{failed.problem}; the interface is as it was before"
        )
        raise HardwareRefused(self._failed[ifindex].problem)

    def _undo(self, ifindex: int) -> None:
        """What a change that was cut short did."""
        record = self._records.by_ifindex.get(ifindex)
        if record is None or record.before is None:
            return
        nic = self._look_anew(ifindex)
        for _ in range(ROUNDS):
            changes = back(self._with_record(nic, record, ifindex), record.before)
            if not changes:
                break
            nic = self._set(ifindex, changes)
        else:
            raise HardwareRefused(f"interface {ifindex} does not go back to what it was")
        if record.applied:
            saved = {key: value for key, value in record.saved.items() if key in record.applied}
            self._records.put(record.model_copy(update={"saved": saved, "before": None}))
        else:
            self._remove(ifindex)

    def _remove(self, ifindex: int) -> None:
        if ifindex in self._records.by_ifindex:
            self._records.remove(ifindex)
        if ifindex not in self._seen:
            self._asked.pop(ifindex, None)

    def _new(self, ifindex: int, nic: Nic) -> Record:
        return Record(
            boot=self._records.boot,
            ifindex=ifindex,
            name=nic.name,
            address=nic.address,
            driver=nic.capabilities.driver,
        )


def _made(record: Record | None) -> Made | None:
    if record is None:
        return None
    return Made(record.saved, record.applied, record.moved, record.wish, record.sequence, record.before)
