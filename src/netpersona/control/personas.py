"""Personas: every change makes a new revision; the newest are kept, and each is immutable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from netpersona.control.conditions import ALWAYS, Condition
from netpersona.control.desk import PERSONA_REVISIONS, PERSONAS, WORKLOADS, Desk, room_for_one
from netpersona.control.documents import canonical, plan
from netpersona.control.problems import Conflict, NotFound, Unprocessable
from netpersona.control.store import Change, Delete, Put, Record
from netpersona.control.wear import reassigned
from netpersona.kinds.shown import brief

REVISIONS_BOUND: Final = 16
"""Older revisions kept of each persona, for assignments that name one; workloads keep what they wear."""


class Personas:
    def __init__(self, desk: Desk) -> None:
        self._desk, self._store = desk, desk.store

    def get(self, persona_id: str) -> Record:
        record = self._store.get(PERSONAS, persona_id)
        if record is None:
            raise NotFound(f"there is no persona {brief(persona_id)}", remedy="GET /v1/personas lists them")
        return record

    def resource(self, record: Record) -> dict[str, Any]:
        return self._resource(record, self._desk.wearers())

    def resources(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        wearers = self._desk.wearers()
        return [self._resource(record, wearers) for record in records]

    def revision(self, persona_id: str, revision: int) -> Mapping[str, Any] | None:
        """The document of a revision, if it is still kept."""
        record = self._store.get(PERSONAS, persona_id)
        if record is None or record.revision != revision:
            record = self._store.get(PERSONA_REVISIONS, _key(persona_id, revision))
        return record.value["spec"] if record else None

    async def create(
        self, data: Any, *, default_id: str | None = None, dry_run: bool = False
    ) -> Record | dict[str, Any]:
        """Stores a new persona, named ``default_id`` if it does not name itself; a plan if ``dry_run``.

        Raises:
            Unprocessable, Conflict
        """
        spec = canonical(data, default_id)
        async with self._desk.turn:
            persona_id = spec["persona_id"]
            if self._store.get(PERSONAS, persona_id):
                raise Conflict(
                    f"persona {persona_id} exists",
                    remedy="PUT /v1/personas/{persona_id} replaces it",
                    pointer="/persona_id",
                )
            return plan(None, spec) if dry_run else await self._add(persona_id, spec)

    async def replace(
        self, persona_id: str, data: Any, condition: Condition = ALWAYS, *, dry_run: bool = False
    ) -> Record | dict[str, Any]:
        """Stores a new revision, and puts it on the workloads that follow this persona, in one commit.

        Creates the persona if there is none. A plan if ``dry_run``.

        Raises:
            Unprocessable, PreconditionFailed, PreconditionRequired
        """
        spec = canonical(data, persona_id)
        if spec["persona_id"] != persona_id:
            raise Unprocessable(
                f"the document names {spec['persona_id']}, the path {brief(persona_id)}",
                remedy="write the same name in both; a persona cannot be renamed",
                pointer="/persona_id",
            )
        async with self._desk.turn:
            old = self._store.get(PERSONAS, persona_id)
            condition.check(old.revision if old else 0, required=True)
            if dry_run:
                return plan(old.value["spec"] if old else None, spec)
            return await (self._supersede(old, spec) if old else self._add(persona_id, spec))

    async def delete(
        self, persona_id: str, condition: Condition = ALWAYS, *, dry_run: bool = False
    ) -> dict[str, Any] | None:
        """Removes the persona and its old revisions; a plan if ``dry_run``.

        Raises:
            NotFound, PreconditionFailed, Conflict: workloads use it.
        """
        async with self._desk.turn:
            record = self.get(persona_id)
            condition.check(record.revision)
            users = sorted(self._desk.wearers().get(persona_id, ()))
            if users:
                raise Conflict(
                    f"persona {persona_id} is in use by {', '.join(users)}",
                    remedy="release these workloads or assign another persona first",
                )
            if dry_run:
                return plan(record.value["spec"], None)
            old = [Delete(r.kind, r.key) for r in self._old_revisions(persona_id)]
            await self._store.commit([Delete(PERSONAS, persona_id, record.revision), *old])
            return None

    async def _add(self, persona_id: str, spec: Mapping[str, Any]) -> Record:
        now = self._desk.now()
        value = {"spec": spec, "created_at": now, "updated_at": now}
        events = await self._store.commit([Put(PERSONAS, persona_id, value, 0)])
        return events[0].record

    async def _supersede(self, old: Record, spec: Mapping[str, Any]) -> Record:
        value = {**old.value, "spec": spec, "updated_at": self._desk.now()}
        events = await self._store.commit(
            [Put(PERSONAS, old.key, value, old.revision), *self._archive(old), *self._refit(old.key, spec)]
        )
        return events[0].record

    def _archive(self, old: Record) -> list[Change]:
        kept = self._old_revisions(old.key)
        archived = Put(PERSONA_REVISIONS, _key(old.key, old.revision), {"spec": old.value["spec"]})
        return [archived, *room_for_one(kept, REVISIONS_BOUND)]

    def _refit(self, persona_id: str, spec: Mapping[str, Any]) -> list[Change]:
        """The workloads that follow the persona, wearing its coming revision: the next the store gives."""
        coming = self._store.revision + 1
        return [
            Put(WORKLOADS, workload.key, value, workload.revision)
            for workload in self._store.list(WORKLOADS)
            if (value := reassigned(workload.value, persona_id, coming, spec, coming)) is not None
        ]

    def _old_revisions(self, persona_id: str) -> list[Record]:
        found = self._store.list(PERSONA_REVISIONS, after=f"{persona_id}@", limit=REVISIONS_BOUND + 1)
        return [record for record in found if record.key.startswith(f"{persona_id}@")]

    def _resource(self, record: Record, wearers: Mapping[str, set[str]]) -> dict[str, Any]:
        return {
            "persona_id": record.key,
            "revision": record.revision,
            "created_at": record.value["created_at"],
            "updated_at": record.value["updated_at"],
            "spec": record.value["spec"],
            "in_use_by": sorted(wearers.get(record.key, ())),
        }


def _key(persona_id: str, revision: int) -> str:
    """Sorts by revision within a persona; '@' is in no name."""
    return f"{persona_id}@{revision:020d}"
