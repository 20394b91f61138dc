"""What is valid and may still surprise."""

from __future__ import annotations

from collections.abc import Iterator

from netpersona.persona.conditions import Chance, Link
from netpersona.persona.limits import LONGEST_LINE, line_needed
from netpersona.persona.model import Persona

IPV6_MINIMUM_MTU = 1280  # RFC 8200, section 5


def warnings_of(persona: Persona) -> tuple[str, ...]:
    """Warnings of a whole persona, in words."""
    return (
        *_general(persona),
        *_direction("egress", persona.egress),
        *_direction("ingress", persona.ingress),
    )


def _general(persona: Persona) -> Iterator[str]:
    if persona.mtu is not None and persona.mtu < IPV6_MINIMUM_MTU:
        yield f"mtu {persona.mtu} is below 1280, the least that IPv6 works with (RFC 8200)"
    limited = persona.egress.bandwidth or persona.ingress.bandwidth
    if persona.queue_configuration and limited is None:
        yield "queue_configuration has no effect without a bandwidth in egress or ingress: nothing ever waits"
    for queue in persona.queue_configuration:
        if queue.interrupt_coalescing is not None:
            yield (
                f"interrupt_coalescing of queue {queue.queue_id} needs a NIC with hardware queues"
                " and is not applied yet"
            )


def _direction(name: str, link: Link) -> Iterator[str]:
    if isinstance(link.loss, Chance) and link.loss.probability >= 1:
        yield f"{name} loses every packet (loss 100%)"
    if link.delays and line_needed(link) > LONGEST_LINE:
        rate = "10 Gbit/s" if link.bandwidth is None else str(link.bandwidth)
        yield (
            f"the delay line of {name} holds {LONGEST_LINE:,} packets; {rate} of the smallest packets for"
            f" that delay would be {line_needed(link):,}: more than it holds are dropped and counted"
        )
