"""What a packet costs the engine and how many it takes: paced 64-byte datagrams, a bare reflector beside it.

CPU time is that of the engine's threads as the scheduler counts it: with the softirqs that run in them, which
carry a packet from the TAP to its receiver.
"""

from __future__ import annotations

import os
import socket
import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from lab.attached_host import AttachedHost
from lab.measure import PORT, wait_until
from lab.namespaces import Workload
from lab.rows import Figure
from lab.tools import reflecting, tool

TEN_MS = {"egress": {"latency": "10ms"}, "ingress": {"latency": "10ms"}}
PACE = 20_000
LADDER = (50_000, 100_000, 125_000, 150_000, 175_000, 200_000, 225_000, 250_000, 300_000, 350_000, 400_000)
ROUNDS = 5
"""Of engine and reflector in turn: a wake-up costs 10 µs in one mood of the machine, 30 in another."""
TRIES = 3
"""A step is climbed if one of so many tries loses nothing: others on the machine take the core, too."""
SENDING_CORE, ENGINE_CORE = 0, 1
BRIDGE_FILTERS = ("bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables")


@dataclass(frozen=True)
class Passage:
    """What became of paced packets."""

    asked: int
    sent: int
    arrived: int
    cpu_ns: int
    wakeups: int

    @property
    def is_whole(self) -> bool:
        """Nothing was lost, and the sender kept its pace but for 2 %."""
        return self.arrived >= self.sent >= self.asked * 0.98

    @property
    def cpu_us(self) -> float:
        """Of CPU for a packet that arrived."""
        return self.cpu_ns / max(self.arrived, 1) / 1000


def packet_figures(host: AttachedHost) -> Iterator[Figure]:
    """CPU and wake-ups a packet, and the highest pace without loss, with 10 ms both ways."""
    host.put_on(TEN_MS)
    with ExitStack() as stack:
        for workload in (host.subject, host.peer):
            stack.enter_context(sink(workload))
        leave_bridge_unfiltered(host)
        yield from _figures(host)


def _figures(host: AttachedHost) -> Iterator[Figure]:
    yield from _calm(host)
    steps = {inward: highest(host, host.engine.pid, inward=inward) for inward in (True, False)}
    with reflecting(host) as reflector:
        bare_steps = {inward: highest(host, reflector, inward=inward) for inward in (True, False)}
    into, out = ("into the workload", "out of it, over a bridge")
    for inward, way, lower in ((True, into, 200_000), (False, out, None)):
        what = f"64-byte packets a second without loss, one core, {way}"
        yield Figure(what, steps[inward], "", lower=lower, peer=_bare(bare_steps[inward]))


def _calm(host: AttachedHost) -> Iterator[Figure]:
    """What a packet costs at `PACE`: medians of runs that take turns with the reflector's."""
    ours, bare = [], []
    for _ in range(ROUNDS):
        ours.append(pace(host, host.engine.pid, PACE, 1.5, inward=False))
        with reflecting(host) as reflector:
            bare.append(pace(host, reflector, PACE, 1.5, inward=False))
    cpu_us = statistics.median(run.cpu_us for run in ours)
    bare_us = statistics.median(run.cpu_us for run in bare)
    wakeups = statistics.median(run.wakeups / max(run.arrived, 1) for run in ours)
    yield Figure(f"CPU a packet at {PACE:,} a second", cpu_us, "µs", upper=12, peer=_bare(bare_us))
    yield Figure(f"wake-ups a packet at {PACE:,} a second", wakeups, "", upper=0.25)


def _bare(value: float) -> str:
    return f"bare reflector {value:,.3g}"


def highest(host: AttachedHost, pid: int, *, inward: bool) -> int:
    """The highest pace of the ladder at which the process, alone on its core, lost nothing."""
    reached = 0
    for packets_per_s in LADDER:
        runs = (pace(host, pid, packets_per_s, 1, inward=inward, pinned=True) for _ in range(TRIES))
        if not any(run.is_whole for run in runs):
            break
        reached = packets_per_s
    return reached


def pace(
    host: AttachedHost, pid: int, packets_per_s: int, seconds: float, *, inward: bool, pinned: bool = False
) -> Passage:
    """Send so many packets a second through the process ``pid``, into the subject or out of it."""
    source, target = (host.peer, host.subject) if inward else (host.subject, host.peer)
    if pinned:
        _pin(pid)
    core = ["taskset", "-c", str(SENDING_CORE)] if pinned else []
    load = [str(tool("pacer")), target.ipv4, str(PORT), str(packets_per_s), f"{seconds:g}"]
    arrived, cpu_ns, wakeups = _arrived(target), _cpu_ns(pid), host.datapath.engine().wakeups
    output = source.namespace.run(*core, *load, timeout=seconds * 10 + 10).stdout
    _settle(target)
    return Passage(
        asked=int(packets_per_s * seconds),
        sent=int(output),
        arrived=_arrived(target) - arrived,
        cpu_ns=_cpu_ns(pid) - cpu_ns,
        wakeups=host.datapath.engine().wakeups - wakeups,
    )


def sink(workload: Workload) -> socket.socket:
    """Takes datagrams that nobody reads, so that none is answered with an ICMP error."""
    sink = workload.namespace.call(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sink.bind(("", PORT))
    return sink


def leave_bridge_unfiltered(host: AttachedHost) -> None:
    """A kernel with br_netfilter has bridges ask the firewall by default: a tenth of a packet's cost."""
    for name in BRIDGE_FILTERS:
        host.lab.host.run("sysctl", "-qw", f"net.bridge.{name}=0", check=False)


def _pin(pid: int) -> None:
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {ENGINE_CORE % (os.cpu_count() or 1)})


def _cpu_ns(pid: int) -> int:
    """Documentation/scheduler/sched-stats.rst: the first field is nanoseconds on a CPU."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def _arrived(workload: Workload) -> int:
    """Packets that its interface received."""
    lines = workload.namespace.call(Path("/proc/thread-self/net/dev").read_text).splitlines()
    line = next(line for line in lines if workload.interface in line)
    return int(line.split(":")[1].split()[1])


def _settle(workload: Workload) -> None:
    """Until a while passes in which nothing arrives."""
    seen = [-1]

    def quiet() -> bool:
        before, seen[0] = seen[0], _arrived(workload)
        return before == seen[0]

    wait_until(quiet, timeout_s=5, what="the last packet", every_s=0.05)
