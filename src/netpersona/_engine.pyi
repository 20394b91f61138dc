"""The Rust half of the data path: kernel programs, bindings, counters and the packet engine.

Only `netpersona.datapath` imports this. Directions are 0 (egress, what the workload sends) and 1
(ingress). Times are CLOCK_MONOTONIC nanoseconds.
"""

from os import PathLike
from typing import TypedDict, final

class Incompatible(RuntimeError):
    """Pins were made by a version with another memory layout."""

class BindingRecord(TypedDict):
    ifindex: int
    facing: int
    generation: int
    slot: int
    expires_ns: int
    fallback_slot: int

class CounterRecord(TypedDict):
    """Tallies are (packets, bytes); GSO packets count as their segments."""

    passed: tuple[int, int]
    dropped_rule: tuple[int, int]
    dropped_default: tuple[int, int]
    dropped_profile: tuple[int, int]
    dropped_fragment: tuple[int, int]
    dropped_engine: tuple[int, int]
    too_big: tuple[int, int]
    detoured: tuple[int, int]
    bypassed: tuple[int, int]
    malformed: tuple[int, int]
    flows_created: int
    flows_closed: int
    flows_refused: int
    expired: int
    generation: int
    generation_packets: int

class LaneRecord(TypedDict):
    sent: int
    settled: int
    quiet_ns: int

class LaneStatsRecord(TypedDict):
    received: int
    emitted: int
    lost: int
    duplicated: int
    corrupted: int
    reordered: int
    dropped_queue: int
    dropped_line: int
    dropped_ring: int
    dropped_emit: int
    flushed: int
    fragmented: int
    answered: int
    held: int
    seed: int
    generation: int

class MovedRecord(TypedDict):
    """What was counted of one direction in an interval. Bins are (low, high, count), microseconds."""

    tallies: dict[str, tuple[int, int]]
    lane: dict[str, int]
    """By the names of LaneStatsRecord; `held` is as it is now."""
    segments: int
    retransmitted: int
    reordered: int
    variations: int
    variation_us: int
    round_trip_us: list[tuple[int, int, int]]
    left_bytes: int
    held_ns: int
    held_us: list[tuple[int, int, int]]

class EngineRecord(TypedDict):
    started_ns: int
    wakeups: int
    reads: int
    writes: int
    dropped_memory: int
    unknown_frames: int
    held_bytes: int
    held_bytes_limit: int
    lateness: list[int]
    heartbeat_ns: int
    tap_ifindex: int

@final
class Bindings:
    def switch(self, attachment: int, slot: int, expires_ns: int = 0, fallback_slot: int = 0) -> int:
        """One 64-bit store; answers the new generation. KeyError if no interface is behind it."""

    def generations(self) -> list[int]:
        """What `switch` answered last, by attachment."""

    def place(self, attachment: int, ifindex: int, facing: int) -> None: ...
    def read(self, attachment: int) -> BindingRecord: ...

@final
class Kernel:
    """Pinned maps and programs. Raises OSError with the kernel's errno, IndexError past a bound."""

    @property
    def bindings(self) -> Bindings: ...
    def attach(self, link: str, program: str, ifindex: int, hook: str, tcx: bool = True) -> str:
        """Idempotent. Answers "tcx", "clsact", or "clsact-made" if this call made the qdisc."""

    def detach(self, link: str, ifindex: int, hook: str) -> None:
        """Idempotent. Leaves the clsact qdisc."""

    def write_slot(self, slot: int, policy: bytes, conditions: bytes) -> None: ...
    def read_slot(self, slot: int) -> tuple[bytes, bytes]: ...
    def enlist(self, ifindex: int, attachment: int, facing: int) -> None: ...
    def strike(self, ifindex: int) -> None: ...
    def free(self, bound: int) -> int | None:
        """A number below `bound` that may be given to an interface now."""

    def begin(self, attachment: int) -> None:
        """Start a new life of an attachment, with the null persona and nothing counted."""

    def end(self, attachment: int) -> None:
        """End it. The programs must be off the interface."""

    def life(self, attachment: int) -> int:
        """0 if it has ended, or has not begun."""

    def attached(self) -> list[tuple[int, int, int, str | None]]:
        """(ifindex, attachment, facing, name or None once it is gone) of all, by attachment."""

    def places(self) -> list[tuple[int, int, int]]:
        """(ifindex, attachment, facing) of all, by attachment; asks the kernel nothing."""

    def find(self, ifindex: int) -> tuple[int, int] | None:
        """(attachment, facing) of an interface."""

    def counters(self, attachment: int, direction: int) -> CounterRecord: ...
    def lane(self, attachment: int, direction: int) -> LaneRecord: ...
    def references(self) -> tuple[list[int], list[tuple[int, int, int, int]]]:
        """Slots that bindings name; (life, direction, sent, settled) of lanes with packets under way."""

    def lane_stats(self, attachment: int, direction: int) -> LaneStatsRecord: ...
    def engine(self) -> EngineRecord: ...
    def set_tap(self, ifindex: int) -> None: ...

@final
class Meter:
    """What moved at each attachment since it was looked at last. One thread at a time waits for the other."""

    def __init__(self, bpffs: str | PathLike[str]) -> None: ...
    def read(self) -> tuple[int, list[tuple[int, int, int, MovedRecord, MovedRecord]]]:
        """ns since the last call, and (ifindex, attachment, life, egress, ingress) where packets moved."""

@final
class Probes:
    def __init__(self, bpffs: str | PathLike[str]) -> None: ...
    def read(self, timeout_ms: int) -> list[tuple[int, int, int, int, int, bytes]]:
        """(captured_ns, attachment, direction, frame length, verdict, first 128 bytes)."""

@final
class Stop:
    def __init__(self) -> None: ...
    def set(self) -> None: ...

def load(bpffs: str | PathLike[str]) -> Kernel:
    """Load and pin, or adopt what is pinned. Raises Incompatible, or RuntimeError with the log."""

def check(bpffs: str | PathLike[str]) -> None:
    """Raises Incompatible where `load` would; changes nothing."""

def run_engine(bpffs: str | PathLike[str], tap: str, memory: int, stop: Stop) -> None:
    """Run the packet engine in this thread, without the GIL, until `stop` is set."""

def layout() -> dict[str, int]: ...
def now_ns() -> int: ...
def map_pin(bpffs: str | PathLike[str], name: str) -> str:
    """Where a map is pinned, in the layout of this build. KeyError if there is none of that name."""
