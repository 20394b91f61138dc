"""Follows the manager's watch and hands what it says to the agent, for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from netpersona.agent.agent import Agent
from netpersona.agent.backoff import Backoff
from netpersona.agent.desired import DocumentError, Workload, canonical_text, wanted_workload
from netpersona.agent.manager_client import Manager, ManagerRefused, ManagerUnreachable
from netpersona.client import Event

_log = structlog.get_logger(__name__)


class Follower:
    """One watch at a time. Each starts with everything, so a reconnect is also a full comparison."""

    def __init__(
        self,
        manager: Manager,
        agent: Agent,
        host: str,
        backoff: Backoff,
        verify: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._manager = manager
        self._agent = agent
        self._host = host
        self._backoff = backoff
        self._verify = verify
        self._listing: dict[str, Workload] | None = None
        self._documents: dict[str, str] = {}

    async def run(self) -> None:
        """Never returns; while the manager is away, enforcement and local passes go on without it."""
        while True:
            try:
                self._listing, self._documents = {}, {}
                await self._manager.follow(self._host, self._take)
            except (ManagerUnreachable, ManagerRefused) as error:
                wait_s = self._backoff.next()
                _log.warning("no manager; enforcement goes on", error=str(error), again_in_s=round(wait_s, 2))
                await asyncio.sleep(wait_s)

    def _take(self, event: Event) -> None:
        if event.type == "BOOKMARK":
            self._bookmark()
        elif event.type == "VERIFY":
            self._verify(event.object)
        elif event.type == "DOCUMENT":
            self._documents[str(event.object["digest"])] = canonical_text(event.object["document"])
        elif event.type == "FORGET":
            self._documents.clear()
        elif event.type == "DELETED":
            self._gone(str(event.object["workload_id"]))
        elif event.type in ("ADDED", "MODIFIED"):
            self._workload(event)

    def _bookmark(self) -> None:
        """The first of a watch ends the listing; later ones only say that the stream lives."""
        if self._listing is not None:
            self._agent.replace_all(self._listing.values())
            self._listing = None
            self._backoff.reset()

    def _workload(self, event: Event) -> None:
        try:
            workload = wanted_workload(event.object, self._documents, datetime.now(UTC))
        except DocumentError as error:
            _log.error("skipped", error=str(error))
            return
        if workload.host != self._host:
            self._gone(workload.workload_id)
        elif self._listing is not None:
            self._listing[workload.workload_id] = workload
        else:
            self._agent.want(workload)

    def _gone(self, workload_id: str) -> None:
        if self._listing is not None:
            self._listing.pop(workload_id, None)
        elif workload_id in self._agent.states:
            self._agent.unwant(workload_id)
