"""What a persona that never leaves the kernel costs a load that goes on while it is put on and taken off.

Two runs of one load differ by more than the persona costs: by where the scheduler puts sender and receiver,
and by what else the machine does. So one sender on one core, which also carries each packet to the receiver's
socket, goes on sending to a receiver on another; each stretch with the persona is held against the bare ones
before and after it. Attaching and detaching are in none of them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TextIO

from lab.attached_host import AttachedHost
from lab.measure import PORT, iperf3_server
from lab.namespaces import Workload
from lab.packets import leave_bridge_unfiltered, sink
from lab.rows import Figure
from lab.tools import tool

POLICY_ONLY = {
    "security_profile": "standard",
    "qos_priority": 9,
    "dscp": "af41",
    "filtering_rules": [
        {"protocol": "tcp", "port": 25, "action": "drop"},
        {"protocol": "udp", "source": "198.51.100.0/24", "action": "drop"},
    ],
}
PAIRS = 40
STRETCH_S, SETTLING_S = 0.3, 0.05
SENDING_CORE = 0
RECEIVING_CORE = 1 % (os.cpu_count() or 1)
LONGER_S = 600
"""A load ends when it is no longer wanted, not before."""
UNPACED = 100_000_000


@dataclass(frozen=True)
class Ratios:
    """Each stretch with the persona over the mean of its bare neighbours; what those carried a second."""

    ratios: list[float]
    bare: float

    @property
    def median(self) -> float:
        return statistics.median(self.ratios)

    @property
    def spread(self) -> str:
        lower, _, upper = statistics.quantiles(self.ratios, n=4)
        return f"half of {len(self.ratios)} pairs {lower:.3f} to {upper:.3f}"


class Meter:
    """What an interface received, from inside its namespace."""

    def __init__(self, workload: Workload) -> None:
        self._interface = f"{workload.interface}:"
        self._file: TextIO = workload.namespace.call(Path("/proc/thread-self/net/dev").open)

    def rate(self) -> tuple[float, float]:
        """Bytes and packets a second over one stretch."""
        before = self._read()
        time.sleep(STRETCH_S)
        after = self._read()
        seconds = after[0] - before[0]
        return (after[1] - before[1]) / seconds, (after[2] - before[2]) / seconds

    def _read(self) -> tuple[float, int, int]:
        self._file.seek(0)
        line = next(line for line in self._file if self._interface in line)
        octets, packets = line.split(":")[1].split()[:2]
        return time.monotonic(), int(octets), int(packets)


def policy_cost(host: AttachedHost) -> Iterator[Figure]:
    """A persona that never leaves the kernel against no persona."""
    leave_bridge_unfiltered(host)
    with iperf3_server(host.peer), _load(host, *_tcp(host.peer)):
        tcp = ratios([octets for octets, _ in stretches(host)])
    with sink(host.peer), _load(host, *_small_packets(host.peer)):
        small = ratios([packets for _, packets in stretches(host)])
    what, peer = "policy-only persona, TCP throughput", f"bare {tcp.bare * 8 / 1e9:.3g} Gbit/s"
    yield Figure(what, tcp.median, "of bare", lower=0.98, peer=f"{tcp.spread}; {peer}")
    what, peer = "policy-only persona, 64-byte packets a second", f"bare {small.bare:,.0f}"
    yield Figure(what, small.median, "of bare", lower=0.95, peer=f"{small.spread}; {peer}")


def stretches(host: AttachedHost) -> list[tuple[float, float]]:
    """Bytes and packets a second: bare, with the persona, bare, and so on, and bare at the end."""
    meter, found = Meter(host.peer), []
    for _ in range(PAIRS):
        host.datapath.detach(host.attachments[host.subject.host_interface])
        found.append(_settled(meter))
        host.attach(host.subject)
        host.put_on(POLICY_ONLY)
        found.append(_settled(meter))
    host.datapath.detach(host.attachments[host.subject.host_interface])
    found.append(_settled(meter))
    host.attach(host.subject)
    return found


def ratios(rates: Sequence[float]) -> Ratios:
    """Of rates in turn bare and with the persona."""
    bare, worn = rates[::2], rates[1::2]
    around = [(before + after) / 2 for before, after in pairwise(bare)]
    quotients = [one / other for one, other in zip(worn, around, strict=True)]
    return Ratios(quotients, statistics.median(bare))


def _settled(meter: Meter) -> tuple[float, float]:
    time.sleep(SETTLING_S)
    return meter.rate()


def _tcp(target: Workload) -> list[str]:
    cores = f"{SENDING_CORE},{RECEIVING_CORE}"
    return ["iperf3", "--client", target.ipv4, "--time", str(LONGER_S), "--affinity", cores]


def _small_packets(target: Workload) -> list[str]:
    sender = [str(tool("pacer")), target.ipv4, str(PORT), str(UNPACED), str(LONGER_S)]
    return ["taskset", "-c", str(SENDING_CORE), *sender]


@contextmanager
def _load(host: AttachedHost, *command: str) -> Iterator[None]:
    """A sender of the subject's, well under way."""
    command_inside = host.subject.namespace.command(*command)
    with subprocess.Popen(command_inside, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            time.sleep(1)
            yield
        finally:
            process.kill()
