"""TCP with 10 ms both ways, beside the bare path and a bare reflector.

Two pairs of workloads: one wears the persona, the other nothing. Their connections stay up from first to
last, and one pair sends while the other's senders are stopped: a connection that the delay were put on and
taken off would have to find its window each time. The reflector takes the engine's place for some of the
rounds, with connections of its own, so that none sees its round trip change.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.attached_host import AttachedHost, attached_host
from lab.measure import iperf3_server
from lab.namespaces import Workload
from lab.packets import TEN_MS
from lab.rows import Figure
from lab.stretches import Meter, Rates, joined, ratios, take_turns
from lab.tools import reflecting

WINDOWS = {1: 128 << 20, 4: 64 << 20}
"""Largest window in bytes by flows, of which half is offered: 20 ms at 26 Gbit/s or more. Four flows that
fill theirs stay within the memory of the engine."""
BARE_WINDOW = 16 << 20
"""Several times more, and a bare run overruns the receiver and sends again by the thousand."""
ROUNDS, PAIRS = 3, 8
STRETCH_S = 0.35
RESUMING_S, DRAINING_S = 0.15, 0.1
"""Left out after senders go on: seven round trips. Then what they had handed to the kernel leaves."""
OPENING_S = 4
"""Left out of each connection at first: a window of 20 ms opens in one to two seconds."""
LONGER_S = 600
REFLECTED_PORT = 5202


@dataclass
class Load:
    """Connections from one workload to another that are stopped but for a stretch at a time."""

    sender: subprocess.Popen[bytes]
    meter: Meter

    def stretch(self) -> Rates:
        self.sender.send_signal(signal.SIGCONT)
        time.sleep(RESUMING_S)
        try:
            return self.meter.rates(STRETCH_S)
        finally:
            self.sender.send_signal(signal.SIGSTOP)
            time.sleep(DRAINING_S)


def throughput_rows() -> Iterator[Figure]:
    """TCP with 10 ms in both directions, one flow and four.

    The bound is the reflector's: what only reads and writes packets reaches 0.66 of the bare path.
    """
    with attached_host(workloads=4) as host:
        for flows, words in ((1, "one flow"), (4, "four flows")):
            for number, workload in enumerate(host.lab.workloads):
                _tune(workload, WINDOWS[flows] if number < 2 else BARE_WINDOW)
            yield from _figures(host, flows, f"10 ms both ways, TCP, {words}")


def _tune(workload: Workload, window: int) -> None:
    settings = {
        "tcp_rmem": f"4096 1048576 {window}",
        "tcp_wmem": f"4096 1048576 {window}",
        "tcp_slow_start_after_idle": "0",  # else each stretch would begin with a window of ten segments
        "tcp_no_metrics_save": "1",
    }
    for name, value in settings.items():
        workload.namespace.run("sysctl", "-qw", f"net.ipv4.{name}={value}")


def _figures(host: AttachedHost, flows: int, what: str) -> Iterator[Figure]:
    found = _rounds(host, flows)
    ours, theirs = (joined([ratios([rates.octets for rates in run]) for run in runs]) for runs in found)
    control = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    peer = f"{ours.spread}; {control}, Gbit/s: {_carried(found)}"
    yield Figure(what, ours.median, "of bare", peer=peer)
    of_theirs = ours.median / theirs.median
    peer = f"which reaches {theirs.median:.3f} of bare, {theirs.spread}"
    yield Figure(what, of_theirs, "of the bare reflector", lower=0.9, peer=peer)


def _rounds(host: AttachedHost, flows: int) -> tuple[list[list[Rates]], list[list[Rates]]]:
    """Stretches in turn bare and with the persona, and those in turn bare and reflected, of each round."""
    delayed, reflected = [], []
    source, target, bare_source, bare_target = host.lab.workloads
    with ExitStack() as stack:
        bare = stack.enter_context(_load(bare_source, bare_target, flows))
        host.put_on(TEN_MS)
        ours = stack.enter_context(_load(source, target, flows))
        with reflecting(host):
            theirs = stack.enter_context(_load(source, target, flows, REFLECTED_PORT))
        for _ in range(ROUNDS):
            delayed.append(take_turns(bare.stretch, ours.stretch, PAIRS))
            with reflecting(host):
                reflected.append(take_turns(bare.stretch, theirs.stretch, PAIRS))
    return delayed, reflected


def _carried(found: tuple[list[list[Rates]], list[list[Rates]]]) -> str:
    """Medians, and segments sent again."""
    delayed, reflected = found
    kinds = {
        "bare": [run[::2] for run in delayed],
        "persona": [run[1::2] for run in delayed],
        "reflector": [run[1::2] for run in reflected],
    }
    words = []
    for name, runs in kinds.items():
        rates = [one for run in runs for one in run]
        gbits = statistics.median(one.octets for one in rates) * 8 / 1e9
        words.append(f"{name} {gbits:.3g} ({sum(one.again for one in rates)} again)")
    return ", ".join(words)


@contextmanager
def _load(source: Workload, target: Workload, flows: int, port: int = 5201) -> Iterator[Load]:
    """Connections whose windows are open; stopped."""
    options = ["--port", str(port), "--time", str(LONGER_S), "--parallel", str(flows)]
    command = source.namespace.command("iperf3", "--client", target.ipv4, *options)
    with (
        iperf3_server(target, port),
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sender,
    ):
        try:
            time.sleep(OPENING_S)
            sender.send_signal(signal.SIGSTOP)
            time.sleep(DRAINING_S)
            yield Load(sender, Meter(target, source))
        finally:
            sender.kill()
