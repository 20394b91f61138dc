"""What is valid and may still surprise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from netpersona.kinds.persona.conditions import Chance, Link
from netpersona.kinds.persona.delays import correlation_at, correlation_reach
from netpersona.kinds.persona.limits import (
    LONGEST_LINE,
    LONGEST_QUEUE,
    NANOSECOND,
    SMALLEST_FRAME,
    line_needed,
    queue_needed,
)
from netpersona.kinds.persona.model import Persona
from netpersona.kinds.persona.profiles import Profile, ProfileName
from netpersona.kinds.persona.reach import unreachable

IPV6_MINIMUM_MTU = 1280  # RFC 8200, section 5


def warnings_of(persona: Persona) -> tuple[str, ...]:
    """Warnings of a whole persona, in words."""
    return (
        *_general(persona),
        *unreachable(persona),
        *_direction(persona, "egress", persona.egress),
        *_direction(persona, "ingress", persona.ingress),
    )


def denser(link: Link, reach_ns: int) -> str:
    """The correlation of delays at ten times the densest rate at which it is the one asked, in percent."""
    return f"{correlation_at(link, reach_ns / 10) or 0:.0%}"


def _general(persona: Persona) -> Iterator[str]:
    if persona.mtu is not None and persona.mtu < IPV6_MINIMUM_MTU:
        yield f"mtu {persona.mtu} is below 1280, the least that IPv6 works with (RFC 8200)"
    profile = persona.security_profile
    if isinstance(profile, Profile) and profile.name in get_args(ProfileName):
        yield (
            f"security_profile defines {profile.name} itself, which is not the built-in {profile.name}:"
            " give it another name"
        )
    limited = persona.egress.bandwidth or persona.ingress.bandwidth
    if persona.queue_configuration and limited is None:
        yield "queue_configuration has no effect without a bandwidth in egress or ingress: nothing ever waits"


def _direction(persona: Persona, name: str, link: Link) -> Iterator[str]:
    yield from _vanished(name, link)
    if isinstance(link.loss, Chance) and link.loss.probability >= 1:
        yield f"{name} loses every packet (loss 100%)"
    if link.delays and line_needed(link) > LONGEST_LINE:
        rate = "10 Gbit/s" if link.bandwidth is None else str(link.bandwidth)
        yield (
            f"the delay line of {name} holds {LONGEST_LINE:,} packets; {rate} of the smallest packets for"
            f" that delay would be {line_needed(link):,}: more than it holds are dropped and counted"
        )
    if link.queue_length is None and queue_needed(persona, link) > LONGEST_QUEUE:
        yield (
            f"the queue of {name} holds {LONGEST_QUEUE:,} packets; {link.bandwidth} for the persona's round"
            f" trip would be {queue_needed(persona, link):,}: one TCP flow may not keep the rate"
        )
    yield from _correlation(name, link)


def _vanished(name: str, link: Link) -> Iterator[str]:
    for key, values in (("latency", [link.latency]), ("jitter", [link.jitter]), ("table", link.table or ())):
        if any(value.vanished for value in values):
            yield f"{key} of {name} is less than half a nanosecond and became 0"


def _correlation(name: str, link: Link) -> Iterator[str]:
    """Where packets can come closer than those whose delays are tied just as much as was asked."""
    reach = correlation_reach(link)
    if reach is None:
        return
    closest = 8 * SMALLEST_FRAME * NANOSECOND / link.bandwidth if link.bandwidth else 0
    if closest < reach:
        densest = NANOSECOND / reach
        yield (
            f"correlation {link.correlation} of {name} holds up to {densest:,.0f} packets a second;"
            f" order is kept, so denser ones are correlated more, by {denser(link, reach)} at ten times that;"
            " order: free has it at any rate"
        )
