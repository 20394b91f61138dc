"""Verification: probes through the attachment, both ways, and what they say about the persona."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Event
from typing import Any, Protocol

import structlog

from netpersona.agent.manager_client import Manager, ManagerRefused, ManagerUnreachable
from netpersona.agent.status import Readings, WorkloadState
from netpersona.agent.verify.comparison import compare, compare_rate
from netpersona.agent.verify.estimates import CONFIDENCE
from netpersona.agent.verify.openings import UNPROBED, ask, compare_openings
from netpersona.agent.verify.probing import Plan, ProbeRequest, plan
from netpersona.agent.verify.requested import Requested, requested
from netpersona.agent.verify.rows import Row
from netpersona.datapath import DatapathError, Observation, Opened, Probe, Train
from netpersona.kinds.persona import InvalidDocument, Persona, from_mapping
from netpersona.kinds.units import Duration, Lifetime

OWN_SHARE = 0.02
"""Of the packets or bytes of probes that the workload may send meanwhile and still count as silent."""

_log = structlog.get_logger(__name__)


class Probing(Protocol):
    """`netpersona.datapath.Prober`, or a fake of it."""

    def __call__(
        self, attachment: int, trains: Sequence[Train], *, settle_ns: int, stopped: Callable[[], bool]
    ) -> Mapping[str, Sequence[Probe]]: ...

    def verdicts(
        self, attachment: int, packets: Sequence[tuple[str, bytes]], *, stopped: Callable[[], bool]
    ) -> Sequence[Opened | None]: ...


class Stopped(Exception):
    """It was cancelled, or there is nothing left to measure."""


class Verifier:
    """Runs verifications, one after another, each in a thread; how they go is told to the manager."""

    def __init__(
        self,
        prober: Probing,
        readings: Readings,
        manager: Manager,
        states: Mapping[str, WorkloadState],
    ) -> None:
        self._prober = prober
        self._readings = readings
        self._manager = manager
        self._states = states
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._stops: dict[str, Event] = {}
        self._turn = asyncio.Lock()

    def take(self, document: Mapping[str, Any]) -> None:
        """Take on an open verification of a workload of ours, or stop one that is no longer open."""
        number = str(document.get("verification_id"))
        if document.get("state") not in ("pending", "running"):
            if number in self._stops:
                self._stops[number].set()
        elif number not in self._tasks and document.get("workload_id") in self._states:
            self._stops[number] = Event()
            task = asyncio.get_running_loop().create_task(self._run(number, document))
            self._tasks[number] = task
            task.add_done_callback(lambda _: self._forget(number))

    def close(self) -> None:
        """Abandon what runs; it stays open, and the next agent runs it."""
        for stop in self._stops.values():
            stop.set()
        for task in self._tasks.values():
            task.cancel()

    def _forget(self, number: str) -> None:
        self._tasks.pop(number, None)
        self._stops.pop(number, None)

    async def _run(self, number: str, document: Mapping[str, Any]) -> None:
        workload_id, stop = str(document["workload_id"]), self._stops[number]
        async with self._turn:
            if stop.is_set():
                return
            result = await self._result(number, workload_id, document, stop)
        if not stop.is_set():
            await self._tell(workload_id, number, result)

    async def _tell(self, workload_id: str, number: str, result: Mapping[str, Any]) -> None:
        try:
            await self._manager.put_verification(workload_id, number, result)
        except (ManagerUnreachable, ManagerRefused) as error:
            _log.warning("cannot report a verification", verification=number, error=str(error))

    async def _result(
        self, number: str, workload_id: str, document: Mapping[str, Any], stop: Event
    ) -> dict[str, Any]:
        state = self._states.get(workload_id)
        found = self._readings.find(state.target.ifindex) if state and state.target else None
        if state is None or found is None:
            return _failed(f"{workload_id} is not attached: {state.message if state else 'it was deleted'}")
        persona = _persona(state)
        if persona is None:
            return _failed(f"{workload_id} wears no persona; assign one first")
        measurement = Measurement(
            self._prober, self._readings.observe, state, found[0], persona, _request(document), stop
        )
        takes_s = measurement.plan.lasts_ns / 1e9
        await self._tell(workload_id, number, {"state": "running", "takes_s": round(takes_s, 2)})
        try:
            rows = await asyncio.to_thread(lambda: list(measurement.rows()))
        except (DatapathError, ValueError) as error:
            return _failed(str(error))
        except Stopped:
            return _failed("the persona was switched meanwhile, or the workload detached; verify again")
        return {"state": "done", "message": measurement.message(), "rows": [row.document() for row in rows]}


class Measurement:
    """One verification of one attachment under the persona that it wears now. `rows` blocks."""

    def __init__(
        self,
        prober: Probing,
        observe: Callable[[int], Observation],
        state: WorkloadState,
        attachment: int,
        persona: Persona,
        request: ProbeRequest,
        stop: Event,
    ) -> None:
        self._prober, self._observe, self._stop = prober, observe, stop
        self._state, self._attachment, self._target = state, attachment, state.target
        self._sequence = state.applied_sequence
        self._persona = persona
        self._wanted: dict[str, Requested] = {
            "egress": requested(persona.egress, persona.mtu),
            "ingress": requested(persona.ingress, persona.mtu),
        }
        self.plan: Plan = plan(self._wanted, request)
        self._disturbed = False

    def rows(self) -> Iterator[Row]:
        """Raises Stopped, DatapathError."""
        yield from self._openings()
        trains, alone = self._send(self.plan.trains, self.plan.settle_ns)
        bursts, silent = self._send(self.plan.bursts, self.plan.drain_ns)
        for direction, wanted in self._wanted.items():
            yield from compare(direction, wanted, trains[direction], alone=alone[direction])
            if wanted.rate_bps:
                burst = bursts.get(direction, ())
                yield compare_rate(direction, wanted, burst, alone=silent.get(direction, True))

    def message(self) -> str:
        """What the rows do not say."""
        parts = [f"Intervals are {CONFIDENCE:.1%}, widened where successive probes are not independent."]
        sent = max(train.count for train in self.plan.trains)
        if sent < self.plan.needed:
            parts.append(f"Only {sent} of {self.plan.needed} probes fit in the time allowed.")
        if self._disturbed:
            parts.append("The workload's own packets shared the link meanwhile.")
        return " ".join([*parts, UNPROBED])

    def _openings(self) -> Iterator[Row]:
        asked = ask(self._persona)
        packets = [(question.direction, question.packet) for question in asked if question.packet]
        answers = iter(self._prober.verdicts(self._attachment, packets, stopped=self._is_over))
        self._check()
        yield from compare_openings(asked, [next(answers) if question.packet else None for question in asked])

    def _send(
        self, trains: Sequence[Train], settle_ns: int
    ) -> tuple[Mapping[str, Sequence[Probe]], dict[str, bool]]:
        """The fates of the probes, and in which direction they were all but alone."""
        if not trains:
            return {}, {}
        before = self._observe(self._attachment)
        probes = self._prober(self._attachment, trains, settle_ns=settle_ns, stopped=self._is_over)
        after = self._observe(self._attachment)
        self._check()
        alone = {train.direction: _is_alone(train, before, after) for train in trains}
        self._disturbed |= not all(alone.values())
        return probes, alone

    def _is_over(self) -> bool:
        state, at = self._state, self._target
        moved = state.target is None or at is None or state.target.ifindex != at.ifindex
        return self._stop.is_set() or moved or state.applied_sequence != self._sequence

    def _check(self) -> None:
        if self._is_over():
            raise Stopped


def _is_alone(train: Train, before: Observation, after: Observation) -> bool:
    old, new = getattr(before, train.direction).passed, getattr(after, train.direction).passed
    packets, size = new.packets - old.packets, new.bytes - old.bytes
    return bool(packets <= OWN_SHARE * train.count and size <= OWN_SHARE * train.count * train.length)


def _request(document: Mapping[str, Any]) -> ProbeRequest:
    probes, interval = document.get("probes"), document.get("interval")
    return ProbeRequest(
        int(probes) if probes is not None else None,
        int(Duration.parse(interval)) if interval is not None else None,
        int(Lifetime.parse(document.get("at_most") or "60s")),
    )


def _persona(state: WorkloadState) -> Persona | None:
    assignment = state.workload.assignment
    if assignment is None:
        return None
    try:
        return from_mapping(json.loads(assignment.persona.document))
    except InvalidDocument:
        return None


def _failed(message: str) -> dict[str, Any]:
    return {"state": "failed", "message": message, "rows": []}
