"""What a persona asks of the hardware of an interface."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel

from netpersona.kinds.hardware.asked import Ask, Hardware, Steered
from netpersona.kinds.hardware.steering import Steer
from netpersona.kinds.persona.hardware import InterruptCoalescing, Rss
from netpersona.kinds.persona.model import Persona
from netpersona.kinds.persona.rules import Ports, Rule

_STEERABLE = ("tcp", "udp", "sctp")


def asks_of(persona: Persona) -> Hardware:
    """Pure; nothing of what the interface has."""
    queues = tuple(
        (q.queue_id, f"/queue_configuration/{at}") for at, q in enumerate(persona.queue_configuration)
    )
    return Hardware(tuple(_asks(persona)), tuple(_steered(persona)), queues)


def _asks(persona: Persona) -> Iterator[Ask]:
    if persona.txqueuelen is not None:
        yield Ask("txqueuelen", persona.txqueuelen, "/txqueuelen")
    for name in ("channels", "rings"):
        yield from _given(getattr(persona, name), name, f"/{name}")
    if persona.interrupt_coalescing is not None:
        yield from _coalescing(persona.interrupt_coalescing, "coalesce", "/interrupt_coalescing")
    for at, queue in enumerate(persona.queue_configuration):
        if queue.interrupt_coalescing is not None:
            where = f"/queue_configuration/{at}/interrupt_coalescing"
            yield from _coalescing(queue.interrupt_coalescing, f"queue/{queue.queue_id}/coalesce", where)
    for name, wanted in sorted((persona.offloads or {}).items()):
        yield Ask(f"offloads/{name}", wanted, f"/offloads/{name}")
    if persona.rss is not None:
        yield from _rss(persona.rss)


def _given(model: BaseModel | None, group: str, pointer: str) -> Iterator[Ask]:
    for key, value in model or ():
        if value is not None:
            yield Ask(f"{group}/{key}", value, f"{pointer}/{key}")


def _coalescing(given: InterruptCoalescing, group: str, pointer: str) -> Iterator[Ask]:
    for ask in _given(given, group, pointer):
        if not ask.key.endswith("/adaptive"):
            yield ask
            continue
        for key in ("adaptive_rx", "adaptive_tx"):
            if getattr(given, key) is None:
                yield Ask(f"{group}/{key}", ask.value, ask.pointer)


def _rss(rss: Rss) -> Iterator[Ask]:
    for ask in _given(rss, "rss", "/rss"):
        value = " ".join(map(str, ask.value)) if isinstance(ask.value, tuple) else ask.value
        yield Ask(ask.key, value, ask.pointer)


def _steered(persona: Persona) -> Iterator[Steered]:
    """Flows opened to the workload that a queue has rules for. Drops stay in the data path, which counts."""
    for at, queue in enumerate(persona.queue_configuration):
        for number, rule in enumerate(queue.filtering_rules):
            pointer = f"/queue_configuration/{at}/filtering_rules/{number}"
            if rule.action == "drop" or rule.direction == "egress":
                continue
            unfit = _unfit(rule)
            if unfit:
                yield Steered(None, queue.queue_id, pointer, unfit)
            for steer in () if unfit else _steers(rule, queue.queue_id):
                yield Steered(steer, queue.queue_id, pointer)


def _unfit(rule: Rule) -> str:
    if rule.protocol not in _STEERABLE:
        return f"n-tuple rules are of {', '.join(_STEERABLE)}"
    ranges = [ports for ports in (rule.port, rule.source_port) if ports and ports.low != ports.high]
    return "n-tuple rules match one port, not a range" if ranges else ""


def _steers(rule: Rule, queue: int) -> Iterator[Steer]:
    prefix = rule.source or rule.destination
    for version in (prefix.version,) if prefix else (4, 6):
        yield Steer(
            f"{rule.protocol}{version}",
            queue,
            rule.source,
            rule.destination,
            _one(rule.source_port),
            _one(rule.port),
        )


def _one(ports: Ports | None) -> int | None:
    return ports.low if ports else None
