"""Hosts: the agents that have reported. Kept in memory, like every observation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from netpersona.control.desk import WORKLOADS, Desk
from netpersona.control.problems import Conflict, NotFound
from netpersona.kinds.shown import brief

HOSTS_BOUND: Final = 10_000
"""Hosts remembered; a further one is refused."""


class Hosts:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._reports: dict[str, dict[str, Any]] = {}

    def list(self) -> list[Mapping[str, Any]]:
        return [self.get(host) for host in sorted(self._reports)]

    def get(self, host: str) -> Mapping[str, Any]:
        report = self._reports.get(host)
        if report is None:
            raise NotFound(
                f"no agent of host {brief(host)} has reported", remedy="GET /v1/hosts lists those that have"
            )
        workloads = [r.key for r in self._desk.store.list(WORKLOADS) if r.value["spec"]["host"] == host]
        return {**report, "host": host, "workloads": workloads}

    def put(self, host: str, report: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raises: Conflict"""
        if host not in self._reports and len(self._reports) >= HOSTS_BOUND:
            raise Conflict(
                f"{HOSTS_BOUND} hosts have reported, which is the bound",
                remedy="restart the manager to forget old ones",
            )
        self._reports[host] = {**report, "seen_at": self._desk.now()}
        return self.get(host)
