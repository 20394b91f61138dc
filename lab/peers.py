"""What the same change costs with the tools people use today, measured here and now."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable

from pyroute2 import IPRoute

REPEATS = 50


def switch_peers() -> str:
    """A changed rate by ``tc``, by pyroute2, and a one-element nft transaction, in this namespace."""
    with IPRoute() as route:
        route.link("add", ifname="np-peer0", kind="veth", peer="np-peer1")
        try:
            index = route.link_lookup(ifname="np-peer0")[0]
            route.tc("add", "htb", index, 0x10000, default=0x10)
            figures = {
                "tc": _median_ms(
                    lambda: _run("tc class replace dev np-peer0 parent 1: classid 1:10 htb rate 10mbit")
                ),
                "pyroute2 HTB": _median_ms(
                    lambda: route.tc("replace-class", "htb", index, 0x10010, parent=0x10000, rate="10mbit")
                ),
                "nft": _nft_ms(),
            }
        finally:
            route.link("del", ifname="np-peer0")
    return ", ".join(f"{name} {value:.2g} ms" for name, value in figures.items())


def _nft_ms() -> float:
    _run("nft add table inet np_peer")
    try:
        _run("nft add set inet np_peer hosts { type ipv4_addr; }")
        return _median_ms(lambda: _run("nft add element inet np_peer hosts { 192.0.2.1 }"))
    finally:
        _run("nft delete table inet np_peer")


def _run(command: str) -> None:
    subprocess.run(command.split(), check=True)


def _median_ms(change: Callable[[], object]) -> float:
    took = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        change()
        took.append((time.perf_counter() - begin) * 1000)
    return statistics.median(took)
