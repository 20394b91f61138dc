"""Tells the manager how workloads are: at once when something changed, else every few seconds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from netpersona.agent.backoff import Backoff
from netpersona.agent.manager_client import Manager, ManagerRefused, ManagerUnreachable

_log = structlog.get_logger(__name__)

_VOLATILE = frozenset({"observed_at", "engine"})
"""Keys that change by themselves; they alone are not worth a request."""
_KEPT = ("hardware",)
"""Keys that change rarely, and that the manager keeps where a report leaves them out."""

BATCH = 8
"""Statuses of one request. The manager takes them in a millisecond, which a switch may have to wait."""


class Reporter:
    """Coalesces: a workload that changed twice before it was its turn is reported once, as it is then."""

    def __init__(
        self,
        manager: Manager,
        host: str,
        document: Callable[[str], Mapping[str, Any] | None],
        backoff: Backoff,
    ) -> None:
        """`document` makes the status of a workload, or None once it is not one of ours."""
        self._manager = manager
        self._host = host
        self._document = document
        self._backoff = backoff
        self._due: dict[str, None] = {}
        self._sent: dict[str, Mapping[str, Any]] = {}
        self._wake = asyncio.Event()

    def changed(self, workload_id: str) -> None:
        """Send it now, even if it says what it said before: somebody may be waiting for it."""
        self._sent.pop(workload_id, None)
        self.refresh(workload_id)

    def refresh(self, workload_id: str) -> None:
        """Send it if it says something new."""
        self._due[workload_id] = None
        self._wake.set()

    async def run(self) -> None:
        """Send what is due, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due:
                await self._send(await self._batch())

    async def _batch(self) -> dict[str, Mapping[str, Any]]:
        """The next statuses that are due and say something new."""
        batch: dict[str, Mapping[str, Any]] = {}
        while self._due and len(batch) < BATCH:
            workload_id = next(iter(self._due))
            del self._due[workload_id]
            document = self._document(workload_id)
            if document is None:
                self._sent.pop(workload_id, None)
            elif self._sent.get(workload_id) != _news(document):
                batch[workload_id] = document
            await asyncio.sleep(0)  # a switch need not wait for all of them
        return batch

    async def _send(self, batch: Mapping[str, Mapping[str, Any]]) -> None:
        if not batch:
            return
        said = {
            workload_id: self._shortened(workload_id, document) for workload_id, document in batch.items()
        }
        self._sent |= {workload_id: _news(document) for workload_id, document in batch.items()}
        try:
            await self._manager.put_statuses(self._host, said)
            self._backoff.reset()
        except ManagerRefused as error:
            _log.warning("the manager refused statuses", workloads=sorted(batch), error=str(error))
        except ManagerUnreachable:
            for workload_id in batch:
                self.changed(workload_id)
            await asyncio.sleep(self._backoff.next())

    def _shortened(self, workload_id: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
        """Without what the manager was told last time and keeps."""
        before = self._sent.get(workload_id, {})
        kept = {key for key in _KEPT if before.get(key) is not None and before[key] == document.get(key)}
        return {key: value for key, value in document.items() if key not in kept} if kept else document


def _news(document: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key not in _VOLATILE}
