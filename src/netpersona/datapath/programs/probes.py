"""What is asked of a prober, and what it answers. Frozen; need no kernel."""

from __future__ import annotations

from dataclasses import dataclass

MIN_LENGTH = 128
"""Bytes of frame: `NP_PROBE_HEAD` of bpf/layout.h. This much of a captured probe can be compared."""


@dataclass(frozen=True)
class Train:
    """Probes of `length` bytes (Ethernet header included), one every `interval_ns`, `egress` or `ingress`."""

    direction: str
    count: int
    interval_ns: int
    length: int = MIN_LENGTH


@dataclass(frozen=True)
class Probe:
    """One probe's fate. Times are CLOCK_MONOTONIC; `captured_ns` has an entry for every copy.

    `sequence` is its place in its train.
    """

    sequence: int
    sent_ns: int
    captured_ns: tuple[int, ...]
    corrupted: bool
    length: int


@dataclass(frozen=True)
class Opened:
    """What profile and rules make of a flow: `passed`, or the counter that it would drop under; its queue."""

    reason: str
    queue: int | None
