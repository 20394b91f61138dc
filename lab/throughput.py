"""TCP with 10 ms both ways, beside the bare path and a bare reflector: the three in turn, several rounds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lab.attached_host import AttachedHost
from lab.measure import tcp_goodput
from lab.packets import TEN_MS
from lab.rows import Figure
from lab.tools import reflecting

WINDOW = "4096 1048576 67108864"
"""tcp_rmem, tcp_wmem: 20 ms at 13 Gbit/s fit in half of it. Several times more makes a bare run overrun the
receiver, and then retransmit by the thousand."""
ROUNDS = 3
SECONDS, OMITTED = 3, 3
"""Omitted: a window of 20 ms opens in one to two seconds."""


@dataclass(frozen=True)
class Goodputs:
    """One round: bits a second, and segments sent again."""

    bare: tuple[float, int]
    reflected: tuple[float, int]
    delayed: tuple[float, int]


def throughput_figures(host: AttachedHost) -> Iterator[Figure]:
    """TCP with 10 ms in both directions, one flow and four."""
    for workload in (host.subject, host.peer):
        for name in ("tcp_rmem", "tcp_wmem"):
            workload.namespace.run("sysctl", "-qw", f"net.ipv4.{name}={WINDOW}")
        # A threshold that the bare run left in the cache would keep the next run's window small.
        workload.namespace.run("sysctl", "-qw", "net.ipv4.tcp_no_metrics_save=1")
    for flows, words in ((1, "one flow"), (4, "four flows")):
        rounds = [_round(host, flows) for _ in range(ROUNDS)]
        to_bare = [one.delayed[0] / one.bare[0] for one in rounds]
        to_reflected = [one.delayed[0] / one.reflected[0] for one in rounds]
        bounds = (0.85, None) if flows == 1 else (None, 0.9)
        for ratios, of, bound in zip(
            (to_bare, to_reflected), ("bare", "the bare reflector"), bounds, strict=True
        ):
            value, what = statistics.median(ratios), f"10 ms both ways, TCP, {words}"
            yield Figure(what, value, f"of {of}", lower=bound, peer=_spread(ratios, rounds))


def _spread(ratios: list[float], rounds: list[Goodputs]) -> str:
    goodputs = [
        f"{name} {statistics.median(one[0] for one in runs) / 1e9:.3g} ({sum(one[1] for one in runs)} again)"
        for name, runs in (
            ("bare", [one.bare for one in rounds]),
            ("reflector", [one.reflected for one in rounds]),
            ("persona", [one.delayed for one in rounds]),
        )
    ]
    return f"{min(ratios):.2f} to {max(ratios):.2f}; Gbit/s: {', '.join(goodputs)}"


def _round(host: AttachedHost, flows: int) -> Goodputs:
    def measure() -> tuple[float, int]:
        return tcp_goodput(host.subject, host.peer, seconds=SECONDS, omit=OMITTED, flows=flows)

    bare = _bare(host, measure)
    host.put_on(TEN_MS)
    delayed = measure()
    with reflecting(host):
        reflected = measure()
    return Goodputs(bare, reflected, delayed)


def _bare(host: AttachedHost, measure: Callable[[], tuple[float, int]]) -> tuple[float, int]:
    host.datapath.detach(host.attachments[host.subject.host_interface])
    try:
        return measure()
    finally:
        host.attach(host.subject)
