"""Workloads: what wears personas, and what the agents last said about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from netpersona.control.conditions import ALWAYS, Condition
from netpersona.control.desk import VERIFICATIONS, WORKLOADS, Desk
from netpersona.control.models import NewWorkload
from netpersona.control.problems import Conflict, NotFound
from netpersona.control.statuses import Statuses
from netpersona.control.store import Delete, Put, Record
from netpersona.kinds.shown import brief
from netpersona.kinds.workload import WorkloadSpec

Dressed = Callable[[dict[str, Any]], dict[str, Any]]


class Workloads:
    def __init__(self, desk: Desk, statuses: Statuses) -> None:
        self._desk, self._store, self._statuses = desk, desk.store, statuses

    def get(self, workload_id: str) -> Record:
        record = self._store.get(WORKLOADS, workload_id)
        if record is None:
            raise NotFound(
                f"there is no workload {brief(workload_id)}", remedy="GET /v1/workloads lists them"
            )
        return record

    def resource(self, record: Record) -> dict[str, Any]:
        return {
            "workload_id": record.key,
            "revision": record.revision,
            **record.value,
            "status": self._statuses.get(record.key),
        }

    def host(self, record: Record) -> str:
        """The host of a workload, or of the workload that a record such as a verification belongs to."""
        owner = (
            record if record.kind == WORKLOADS else self._store.get(WORKLOADS, record.key.partition("/")[0])
        )
        return str(owner.value["spec"]["host"]) if owner else ""

    def resources(self, records: Sequence[Record]) -> list[dict[str, Any]]:
        return [self.resource(record) for record in records]

    async def create(
        self, wanted: NewWorkload, dressed: Dressed = lambda value: value, *, dry_run: bool = False
    ) -> Record | dict[str, Any]:
        """`dressed` may put a persona on what is about to be stored. Raises: Conflict"""
        async with self._desk.turn:
            if self._store.get(WORKLOADS, wanted.workload_id):
                raise Conflict(
                    f"workload {wanted.workload_id} exists",
                    remedy="PUT /v1/workloads/{workload_id} replaces where it is",
                    pointer="/workload_id",
                )
            spec = _spec(wanted)
            value = dressed(self._bare(spec))
            return _plan({}, spec) if dry_run else await self._add(wanted.workload_id, value)

    async def replace(
        self, workload_id: str, wanted: WorkloadSpec, condition: Condition = ALWAYS, *, dry_run: bool = False
    ) -> Record | dict[str, Any]:
        """Says anew where the workload is; it keeps what it wears. Creates it if there is none.

        Raises:
            PreconditionFailed, PreconditionRequired
        """
        async with self._desk.turn:
            old = self._store.get(WORKLOADS, workload_id)
            condition.check(old.revision if old else 0, required=True)
            spec = _spec(wanted)
            if dry_run:
                return _plan(old.value["spec"] if old else {}, spec)
            if old is None:
                return await self._add(workload_id, self._bare(spec))
            events = await self._store.commit(
                [Put(WORKLOADS, workload_id, {**old.value, "spec": spec}, old.revision)]
            )
            return events[0].record

    async def delete(
        self, workload_id: str, condition: Condition = ALWAYS, *, dry_run: bool = False
    ) -> dict[str, Any] | None:
        """Removes the workload; its agent takes the persona off when it sees the deletion.

        Raises:
            NotFound, PreconditionFailed
        """
        async with self._desk.turn:
            record = self.get(workload_id)
            condition.check(record.revision)
            if dry_run:
                return _plan(record.value["spec"], {})
            verifications = self._store.list(VERIFICATIONS, after=f"{workload_id}/", limit=1000)
            mine = [Delete(r.kind, r.key) for r in verifications if r.key.startswith(f"{workload_id}/")]
            await self._store.commit([Delete(WORKLOADS, workload_id, record.revision), *mine])
            self._statuses.forget(workload_id)
            return None

    def _bare(self, spec: Mapping[str, Any]) -> dict[str, Any]:
        # Starting at the store's revision keeps sequences rising when a name is used again.
        return {"spec": spec, "sequence": self._store.revision, "assignment": None, "previous": None}

    async def _add(self, workload_id: str, value: Mapping[str, Any]) -> Record:
        events = await self._store.commit([Put(WORKLOADS, workload_id, value, 0)])
        return events[0].record


def wanted_resource(record: Record) -> dict[str, Any]:
    """What an agent needs to know of a workload."""
    value = record.value
    return {
        "workload_id": record.key,
        "revision": record.revision,
        "spec": value["spec"],
        "assignment": value["assignment"],
        "sequence": value["sequence"],
    }


def _spec(wanted: WorkloadSpec) -> dict[str, Any]:
    return wanted.model_dump(exclude={"workload_id", "persona"})


def _plan(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """A workload that is somewhere else is attached anew."""
    changes = [
        {"pointer": f"/{key}", "before": before.get(key), "after": after.get(key), "label": "reinit"}
        for key in {**before, **after}
        if before.get(key) != after.get(key)
    ]
    return {"dry_run": True, "changes": changes}
