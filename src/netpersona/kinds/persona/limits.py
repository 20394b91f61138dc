"""Bounds that a persona leaves to us: token bucket, queues and the delay line."""

from __future__ import annotations

from functools import lru_cache
from math import ceil

from netpersona.kinds.persona.conditions import Link
from netpersona.kinds.persona.delays import delay_distribution
from netpersona.kinds.persona.model import ETHERNET_HEADER, Persona

NANOSECOND = 10**9
FULL_FRAME = 1500 + ETHERNET_HEADER
SMALLEST_FRAME = 60  # Ethernet without checksum
LINE_RATE = 10 * 10**9  # bit/s that an unlimited link is taken to carry at most
QUEUE_NS = 200 * 10**6
SHORTEST_QUEUE, USUAL_QUEUE, LONGEST_QUEUE = 100, 10_000, 1_000_000
SHORTEST_LINE, LONGEST_LINE = 1000, 2**22
BURST_NS = 4 * 10**6


def burst_of(link: Link, mtu: int | None) -> int:
    """Token bucket depth in bytes: as asked, or 4 ms of the rate and at least two full frames."""
    if link.bandwidth is None:
        return 0
    frames = 2 * max(FULL_FRAME, (mtu or 0) + ETHERNET_HEADER)
    return link.burst or max(frames, link.bandwidth * BURST_NS // (8 * NANOSECOND))


def queue_length_of(persona: Persona, link: Link) -> int:
    """Packets that may wait for the rate: as asked, or 200 ms of full frames (100 to 10,000).

    Never fewer than fill the round trip, or one TCP flow could not keep the rate (Villamizar and Song 1994).
    """
    if link.queue_length is not None or link.bandwidth is None:
        return link.queue_length or USUAL_QUEUE
    usual = min(max(_frames(link.bandwidth, QUEUE_NS), SHORTEST_QUEUE), USUAL_QUEUE)
    return min(max(usual, queue_needed(persona, link)), LONGEST_QUEUE)


def queue_needed(persona: Persona, link: Link) -> int:
    """Full frames that the rate carries in the round trip that the persona itself makes."""
    round_trip = longest_usual_delay(persona.egress) + longest_usual_delay(persona.ingress)
    return _frames(link.bandwidth or 0, round_trip)


def _frames(rate: int, time_ns: float) -> int:
    return int(rate * time_ns // (8 * NANOSECOND * FULL_FRAME))


@lru_cache(maxsize=16)
def longest_usual_delay(link: Link) -> float:
    """Mean plus four standard deviations of the delay, in ns; a uniform one's exact maximum is below that."""
    distribution = delay_distribution(link)
    if distribution is None:
        return float(link.table[0] if link.table else link.latency)
    return min(distribution.high, distribution.mean() + 4 * distribution.deviation())


def line_needed(link: Link) -> int:
    """Packets under way when the smallest frames come at the full rate (10 Gbit/s when unlimited)."""
    rate = link.bandwidth or LINE_RATE
    return ceil(rate * longest_usual_delay(link) / (8 * NANOSECOND * SMALLEST_FRAME))


def delay_limit_of(link: Link) -> int:
    """Packets the delay line may hold: what rate and delay call for, 1,000 to 2^22."""
    return min(max(line_needed(link), SHORTEST_LINE), LONGEST_LINE) if link.delays else 0
