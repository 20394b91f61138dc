"""Values of the data path. Frozen; need no kernel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum


class Facing(StrEnum):
    """Which side of an interface the workload is on."""

    WORKLOAD = "workload"
    """Behind it: a TAP, a veth."""
    NETWORK = "network"
    """Before it: this host is the workload, the interface a NIC or a bridge."""

    @property
    def number(self) -> int:
        """`NP_FACING_*` of bpf/layout.h."""
        return list(Facing).index(self)


class Direction(IntEnum):
    """The workload's: egress is what it sends."""

    EGRESS = 0
    INGRESS = 1


@dataclass(frozen=True)
class Endpoint:
    """Where a workload meets the host."""

    interface: str
    ifindex: int
    facing: Facing

    def faced(self, facing: str) -> Endpoint:
        return replace(self, facing=Facing(facing))


@dataclass(frozen=True)
class Attached:
    """`interface` is None once the interface is gone."""

    attachment: int
    ifindex: int
    interface: str | None
    facing: Facing


@dataclass(frozen=True)
class Binding:
    """`expires_ns` is CLOCK_MONOTONIC, 0: never."""

    generation: int
    slot: int
    expires_ns: int
    fallback_slot: int


@dataclass(frozen=True)
class Tally:
    """Packets (a GSO packet counts as its segments) and bytes of Ethernet frame."""

    packets: int = 0
    bytes: int = 0


@dataclass(frozen=True)
class Counters:
    """What the kernel programs did with one direction. `passed` includes what took the detour."""

    passed: Tally = Tally()
    dropped_rule: Tally = Tally()
    dropped_default: Tally = Tally()
    dropped_profile: Tally = Tally()
    dropped_fragment: Tally = Tally()
    dropped_engine: Tally = Tally()
    too_big: Tally = Tally()
    detoured: Tally = Tally()
    bypassed: Tally = Tally()
    malformed: Tally = Tally()
    flows_created: int = 0
    flows_closed: int = 0
    flows_refused: int = 0
    expired: int = 0
    generation: int = 0
    """Proof of application: the last generation that decided packets here …"""
    generation_packets: int = 0
    """… and how many (GSO packets count once)."""


@dataclass(frozen=True)
class LaneStats:
    """What the engine did with one direction, in MTU-sized segments. `sent` and `settled` count packets."""

    received: int = 0
    emitted: int = 0
    lost: int = 0
    duplicated: int = 0
    corrupted: int = 0
    reordered: int = 0
    dropped_queue: int = 0
    dropped_line: int = 0
    dropped_ring: int = 0
    dropped_emit: int = 0
    flushed: int = 0
    fragmented: int = 0
    answered: int = 0
    held: int = 0
    seed: int = 0
    generation: int = 0
    sent: int = 0
    settled: int = 0


@dataclass(frozen=True)
class Observation:
    """Counters of one attachment."""

    attachment: int
    interface: str | None
    egress: Counters
    ingress: Counters
    egress_lane: LaneStats
    ingress_lane: LaneStats


@dataclass(frozen=True)
class EngineStats:
    """`lateness`: bucket i counts departures late by less than 2^i ns and at least 2^(i-1)."""

    alive: bool
    heartbeat_age_ns: int | None
    started_ns: int = 0
    wakeups: int = 0
    reads: int = 0
    writes: int = 0
    dropped_memory: int = 0
    unknown_frames: int = 0
    held_bytes: int = 0
    held_bytes_limit: int = 0
    lateness: tuple[int, ...] = ()


@dataclass(frozen=True)
class Capabilities:
    """What was found, chosen, and why. Bounds are those of bpf/layout.h."""

    kernel: str
    attach: str
    """`tcx` or `clsact`."""
    attach_reason: str
    attachments: int
    slots: int
    flows: int
    fragments: int
