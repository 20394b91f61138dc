"""N-tuple rules: flows that a NIC puts into a receive queue of its own (`ethtool -N`)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from itertools import combinations

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

FLOWS = ("tcp4", "udp4", "sctp4", "tcp6", "udp6", "sctp6")
"""Sorts of flow that have ports, as ethtool(8) names them."""


@dataclass(frozen=True, slots=True)
class Steer:
    """Packets that match go into `queue`. What is None matches everything."""

    flow: str
    queue: int
    source: Network | None = None
    destination: Network | None = None
    source_port: int | None = None
    port: int | None = None

    def __str__(self) -> str:
        """As `parse` reads it."""
        named = (
            ("src", self.source),
            ("dst", self.destination),
            ("sport", self.source_port),
            ("dport", self.port),
        )
        words = (f"{word} {value}" for word, value in named if value is not None)
        return " ".join([self.flow, *words, f"queue {self.queue}"])

    def overlaps(self, other: Steer) -> bool:
        """Whether some packet matches both."""
        if self.flow != other.flow:
            return False
        pairs = ((self.source_port, other.source_port), (self.port, other.port))
        if any(one != two for one, two in pairs if one is not None and two is not None):
            return False
        nets = ((self.source, other.source), (self.destination, other.destination))
        return all(one.overlaps(two) for one, two in nets if one is not None and two is not None)


def parse(text: str) -> Steer | None:
    """None for a rule of another sort, which somebody else made."""
    flow, *words = text.split()
    named = dict(zip(words[::2], words[1::2], strict=False))
    if flow not in FLOWS or not named.keys() <= {"src", "dst", "sport", "dport", "queue"}:
        return None
    try:
        return Steer(
            flow,
            int(named["queue"]),
            ipaddress.ip_network(named["src"]) if "src" in named else None,
            ipaddress.ip_network(named["dst"]) if "dst" in named else None,
            int(named["sport"]) if "sport" in named else None,
            int(named["dport"]) if "dport" in named else None,
        )
    except (KeyError, ValueError):
        return None


def conflicts(rules: list[Steer]) -> list[tuple[Steer, Steer]]:
    """Pairs that some packet matches both of, and that send it to different queues.

    Which of them a NIC obeys depends on its driver.
    """
    return [(a, b) for a, b in combinations(rules, 2) if a.queue != b.queue and a.overlaps(b)]
