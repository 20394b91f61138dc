"""Filtering rules that can never match: an earlier one matches all that they would. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from netpersona.kinds.persona.model import Persona
from netpersona.kinds.persona.profiles import openings, profile_name
from netpersona.kinds.persona.rules import Network, Opening, Ports, Rule


def unreachable(persona: Persona) -> Iterator[str]:
    """A sentence for each rule that nothing reaches."""
    named = list(_named(persona))
    for index, (place, rule) in enumerate(named):
        earlier = next((other for other, first in named[:index] if _covers(first, rule)), None)
        if earlier is not None:
            yield f"{place} never matches: {earlier} comes first and matches all of it"
        elif _shut(persona, rule):
            profile = profile_name(persona.security_profile)
            yield f"{place} never matches: the security profile {profile} lets no such flow in"


def _named(persona: Persona) -> Iterator[tuple[str, Rule]]:
    """Rules in the order they are tried, each with its place in the document."""
    for index, rule in enumerate(persona.filtering_rules):
        yield f"filtering_rules/{index}", rule
    for number, queue in enumerate(persona.queue_configuration):
        for index, rule in enumerate(queue.filtering_rules):
            yield f"queue_configuration/{number}/filtering_rules/{index}", rule


def _covers(first: Rule, later: Rule) -> bool:
    return (
        first.direction in ("both", later.direction)
        and _protocol_covers(first, later)
        and _ports_cover(first.port, later.port)
        and _ports_cover(first.source_port, later.source_port)
        and _prefix_covers(first.source, later.source)
        and _prefix_covers(first.destination, later.destination)
    )


def _protocol_covers(first: Rule, later: Rule) -> bool:
    """icmp covers ICMPv6 too; where an address says which of both it is, the prefixes are compared."""
    if first.protocol in ("any", later.protocol):
        return True
    by_family = ("icmp", "icmpv6")
    both = first.protocol in by_family and later.protocol in by_family
    return both and (first.protocol == "icmp" or _family(later) == 6)


def _family(rule: Rule) -> int | None:
    prefix = rule.source or rule.destination
    return prefix.version if prefix else None


def _ports_cover(first: Ports | None, later: Ports | None) -> bool:
    return first is None or (later is not None and first.low <= later.low and later.high <= first.high)


def _prefix_covers(first: Network | None, later: Network | None) -> bool:
    if first is None:
        return True
    return later is not None and first.version == later.version and later.subnet_of(first)  # type: ignore[arg-type]


def _shut(persona: Persona, rule: Rule) -> bool:
    """Whether only flows could match that the security profile has refused before."""
    let_in = openings(persona.security_profile)
    if let_in is None or rule.direction != "ingress":
        return False
    return not any(_meet(opening, rule) for opening in let_in)


def _meet(opening: Opening, rule: Rule) -> bool:
    """Whether a flow could be both, judged generously where protocols differ by name only."""
    protocols = {opening.protocol, rule.protocol}
    if len(protocols) > 1 and "any" not in protocols and protocols != {"icmp", "icmpv6"}:
        return False
    a, b = opening.port, rule.port
    if a and b and (a.low > b.high or b.low > a.high):
        return False
    source, other = opening.source, rule.source
    return not (source and other) or (source.version == other.version and source.overlaps(other))
