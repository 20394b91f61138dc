"""What a persona that never leaves the kernel costs a load that goes on while it is put on and taken off.

Two runs of one load differ by more than the persona costs: by where the scheduler puts sender and receiver,
and by what else the machine does. So one sender on one core, which also carries each packet to the receiver's
socket, goes on sending to a receiver on another; each stretch with the persona is held against the bare ones
before and after it. Attaching and detaching are in none of them.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lab.attached_host import AttachedHost
from lab.measure import PORT, iperf3_server
from lab.namespaces import Workload
from lab.packets import leave_bridge_unfiltered, sink
from lab.rows import Figure
from lab.stretches import Meter, Rates, ratios, take_turns
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
PAIRS = 120
STRETCH_S, SETTLING_S = 0.1, 0.05
"""The path is fast for half a second, slow for the next: long stretches would differ by that."""
CONGESTION_CONTROL = "reno"
"""Every kernel has it, and it sends as fast as the path takes it: BBR keeps to a pace of its own, which
wanders between 6 and 19 Gbit/s on a bare path that takes 31."""
SENDING_CORE = 0
LONGER_S = 600
"""A load ends when it is no longer wanted, not before."""
UNPACED = 100_000_000


def policy_cost(host: AttachedHost) -> Iterator[Figure]:
    """A persona that never leaves the kernel, and being measured without one, against no attachment."""
    leave_bridge_unfiltered(host)
    with iperf3_server(host.peer), _load(host, *_tcp(host.peer)):
        found = _stretches(host)
        measured = ratios([rates.octets for rates in _stretches(host, None)])
    with sink(host.peer), _load(host, *_small_packets(host.peer)):
        small = ratios([rates.packets for rates in _stretches(host)])
    tcp, again = ratios([rates.octets for rates in found]), sum(rates.again for rates in found)
    peer = f"{CONGESTION_CONTROL}, bare {tcp.bare * 8 / 1e9:.3g} Gbit/s, {again} segments again"
    what = "policy-only persona, TCP throughput"
    peer = f"{tcp.spread}; {peer}"
    yield Figure(what, tcp.median, "of bare", lower=0.98, peer=peer, within=tcp.within)
    what = "measured without a persona, TCP throughput"
    yield Figure(what, measured.median, "of bare", lower=0.97, peer=measured.spread, within=measured.within)
    what, peer = "policy-only persona, 64-byte packets a second", f"bare {small.bare:,.0f}"
    peer = f"{small.spread}; {peer}"
    yield Figure(what, small.median, "of bare", lower=0.95, peer=peer, within=small.within)


def _stretches(host: AttachedHost, persona: Mapping[str, Any] | None = POLICY_ONLY) -> list[Rates]:
    """Attached, with the persona if there is one, for every second stretch; attached at the end."""
    meter, interface = Meter(host.peer, host.subject), host.subject.host_interface

    def settled() -> Rates:
        time.sleep(SETTLING_S)
        return meter.rates(STRETCH_S)

    def bare() -> Rates:
        host.datapath.detach(host.attachments[interface])
        return settled()

    def worn() -> Rates:
        host.attach(host.subject)
        if persona is not None:
            host.put_on(persona)
        return settled()

    found = take_turns(bare, worn, PAIRS)
    host.attach(host.subject)
    return found


def _tcp(target: Workload) -> list[str]:
    options = ["--time", str(LONGER_S), "--congestion", CONGESTION_CONTROL]
    return ["iperf3", "--client", target.ipv4, *options]


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
