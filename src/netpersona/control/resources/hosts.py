"""Hosts: the agents that have reported. Kept in memory, like every observation."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

from netpersona.control.identity.calls import OURS, Call
from netpersona.control.problems import Conflict, NotFound
from netpersona.control.resources.context import Context
from netpersona.kinds.host import HOST, Host, HostReport, HostState
from netpersona.kinds.shown import brief

HOSTS_BOUND: Final = 10_000
"""Hosts remembered; a further one is refused."""


class Hosts:
    kind = HOST

    def __init__(self, context: Context) -> None:
        self._context = context
        self._reports: dict[str, tuple[Mapping[str, Any], str]] = {}

    def count(self) -> int:
        return len(self._reports)

    def reports(self) -> list[dict[str, Any]]:
        """What each said last, with its name."""
        return [{**report, "host": host} for host, (report, _) in self._reports.items()]

    def list(self, after: str = "", limit: int | None = None) -> Sequence[Host]:
        names = sorted(self._reports)
        return [self.get(name) for name in islice(names[bisect_right(names, after) :], limit)]

    def get(self, name: str) -> Host:
        found = self._reports.get(name)
        if found is None:
            raise NotFound(
                f"no agent of host {brief(name)} has reported", remedy="GET /v1/hosts lists those that have"
            )
        report, seen_at = found
        workloads = tuple(self._context.references.users("hosts", name, "workloads"))
        return Host(HOST, name, report, HostState(seen_at=seen_at, workloads=workloads))

    def put(self, name: str, report: HostReport, call: Call = OURS) -> Host:
        """Raises: Conflict, PreconditionFailed; a host has no revision."""
        call.condition.check(0)
        if name not in self._reports and len(self._reports) >= HOSTS_BOUND:
            raise Conflict(
                f"{HOSTS_BOUND} hosts have reported, which is the bound",
                remedy="restart the manager to forget old ones",
            )
        self._reports[name] = (report.model_dump(), self._context.now())
        return self.get(name)
