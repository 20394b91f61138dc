"""Verification: probes through the attachment, both ways, and what they say about the persona."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

import structlog

from netpersona.agent.estimates import CONFIDENCE
from netpersona.agent.judge import Row, judge, judge_rate
from netpersona.agent.manager_client import Manager, ManagerRefused, ManagerUnreachable
from netpersona.agent.requested import Requested, requested
from netpersona.agent.status import Charge
from netpersona.datapath import DatapathError, Probe
from netpersona.persona import Persona, PersonaError, from_mapping
from netpersona.persona.units import Duration

PROBE_BYTES = 128
BURST_BYTES = 1400
BURST_S = 0.3
"""How long a burst keeps a limited link busy."""
BURST_PROBES = range(30, 2000)

_log = structlog.get_logger(__name__)


class SendProbes(Protocol):
    """`netpersona.datapath.Prober`, or a fake of it."""

    def __call__(
        self, attachment: int, direction: str, *, count: int, interval_ns: int, length: int, settle_ns: int
    ) -> Sequence[Probe]: ...


class Verifier:
    """Runs verifications, one at a time, each in a thread; the result goes to the manager."""

    def __init__(self, send: SendProbes, manager: Manager, charges: Mapping[str, Charge]) -> None:
        self._send = send
        self._manager = manager
        self._charges = charges
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    def start(self, document: Mapping[str, Any]) -> None:
        """Take on a pending verification of a workload of ours; others are not our business."""
        number = str(document.get("verification_id"))
        if document.get("state") != "pending" or number in self._tasks:
            return
        if document.get("workload_id") in self._charges:
            task = asyncio.get_running_loop().create_task(self._run(number, document))
            self._tasks[number] = task
            task.add_done_callback(lambda _: self._tasks.pop(number, None))

    def close(self) -> None:
        """Abandon what runs; it stays pending."""
        for task in self._tasks.values():
            task.cancel()

    async def _run(self, number: str, document: Mapping[str, Any]) -> None:
        workload_id = str(document["workload_id"])
        async with self._turn:
            result = await self._result(workload_id, document)
        try:
            await self._manager.put_verification(workload_id, number, result)
        except (ManagerUnreachable, ManagerRefused) as error:
            _log.warning("cannot report a verification", verification=number, error=str(error))

    async def _result(self, workload_id: str, document: Mapping[str, Any]) -> dict[str, Any]:
        charge = self._charges.get(workload_id)
        if charge is None or charge.hold is None:
            return _failed(f"{workload_id} is not attached: {charge.message if charge else 'it was deleted'}")
        persona = _persona(charge)
        if persona is None:
            return _failed(f"{workload_id} wears no persona; assign one first")
        attachment, sequence = charge.hold.attachment, charge.applied_sequence
        try:
            rows = await asyncio.to_thread(self._measure, attachment, persona, document)
        except (DatapathError, ValueError) as error:
            return _failed(str(error))
        if charge.applied_sequence != sequence:
            return _failed("the persona was switched meanwhile; verify again")
        return {"state": "done", "message": _message(persona), "rows": [row.document() for row in rows]}

    def _measure(self, attachment: int, persona: Persona, document: Mapping[str, Any]) -> list[Row]:
        count, interval_ns = int(document["probes"]), int(Duration.parse(document["interval"]))
        rows: list[Row] = []
        for direction, link in (("egress", persona.egress), ("ingress", persona.ingress)):
            wanted = requested(link)
            rows += self._one_by_one(attachment, direction, wanted, count, interval_ns)
            rows += self._burst(attachment, direction, wanted)
        return rows

    def _one_by_one(
        self, attachment: int, direction: str, wanted: Requested, count: int, interval_ns: int
    ) -> Iterator[Row]:
        probes = self._send(
            attachment,
            direction,
            count=count,
            interval_ns=interval_ns,
            length=PROBE_BYTES,
            settle_ns=_settle_ns(wanted),
        )
        return judge(direction, wanted, probes)

    def _burst(self, attachment: int, direction: str, wanted: Requested) -> Iterator[Row]:
        if not wanted.rate_bps:
            return
        needed = int((wanted.rate_bps / 8 * BURST_S + wanted.burst_bytes) / BURST_BYTES)
        count = min(max(needed, BURST_PROBES.start), BURST_PROBES.stop)
        lasts_ns = int(count * BURST_BYTES * 8e9 / wanted.rate_bps)
        settle_ns = _settle_ns(wanted) + lasts_ns
        burst = self._send(
            attachment, direction, count=count, interval_ns=0, length=BURST_BYTES, settle_ns=settle_ns
        )
        yield judge_rate(direction, wanted, burst)


def _settle_ns(wanted: Requested) -> int:
    """Long enough for all but a millionth of any tail that the model allows."""
    return int(wanted.delay_ns + 12 * wanted.spread_ns) + 300_000_000


def _persona(charge: Charge) -> Persona | None:
    assignment = charge.workload.assignment
    if assignment is None:
        return None
    try:
        return from_mapping(json.loads(assignment.worn.document))
    except PersonaError:
        return None


def _message(persona: Persona) -> str:
    text = f"Intervals are {CONFIDENCE:.1%}, widened where successive probes are not independent."
    if persona.egress.bandwidth or persona.ingress.bandwidth:
        text += " The rate was measured by a burst that competed with the workload's own traffic."
    return text


def _failed(message: str) -> dict[str, Any]:
    return {"state": "failed", "message": message, "rows": []}
