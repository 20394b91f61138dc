"""Our conditions and netem's, of the same settings, on the same veth pair, with the same traffic; in turns.

`python -m lab.beside_netem [--json PATH]`: needs root and a kernel with netem. See `make bench-vm`.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lab.attached_host import AttachedHost, attached_host
from lab.measure import flow, tcp_bits_per_s
from lab.netem import netem
from lab.traffic import delays_ms, exchange, reordered

Measure = Callable[[AttachedHost], Mapping[str, float]]


@dataclass(frozen=True)
class Setting:
    """The same conditions for both, on what a workload sends."""

    name: str
    ours: Mapping[str, Any]
    theirs: tuple[str, ...]
    measure: Measure


@dataclass(frozen=True)
class Row:
    """`bare`: without any conditions."""

    setting: str
    what: str
    asked: float | None
    ours: float
    netem: float
    bare: float


def _delays(host: AttachedHost, *, count: int = 200, interval_s: float = 0.02) -> Mapping[str, float]:
    records = exchange([flow(host.subject, host.peer, count=count, interval_s=interval_s)])[0]
    delays = delays_ms(records)
    p50, p99 = np.quantile(delays, [0.5, 0.99])
    return {
        "delay p50, ms": p50,
        "delay p99, ms": p99,
        "standard deviation, ms": delays.std(),
        "packets overtaken": reordered(records),
    }


def _losses(host: AttachedHost, *, packets: int = 400, segments: int = 10) -> Mapping[str, float]:
    """Of UDP GSO packets, each of so many segments."""
    count = packets * segments
    load = flow(
        host.subject, host.peer, count=count, interval_s=0.01, burst=segments, size=1000, segment=1000
    )
    lost: NDArray[np.bool_] = np.ones(count, dtype=bool)
    lost[exchange([load])[0]["sequence"].astype(int)] = False
    whole = lost.reshape(-1, segments).sum(axis=1)
    return {
        "segments lost, %": 100 * lost.mean(),
        "GSO packets with a loss, %": 100 * np.mean(whole > 0),
        "GSO packets lost whole, %": 100 * np.mean(whole == segments),
    }


def _throughput(host: AttachedHost) -> Mapping[str, float]:
    return {"TCP, Mbit/s": tcp_bits_per_s(host.subject, host.peer, seconds=3, omit=1) / 1e6}


SETTINGS = (
    Setting("delay 50 ms", {"latency": "50ms"}, ("delay", "50ms"), _delays),
    Setting(
        "delay 50 ms ± 5 ms, normal",
        {"latency": "50ms", "jitter": "5ms", "distribution": "normal"},
        ("delay", "50ms", "5ms", "distribution", "normal"),
        partial(_delays, count=400, interval_s=0.005),
    ),
    Setting("loss 5 %", {"loss": "5%"}, ("loss", "random", "5%"), _losses),
    Setting("delay 5 ms", {"latency": "5ms"}, ("delay", "5ms"), _throughput),
    Setting("rate 20 Mbit/s", {"bandwidth": "20mbit"}, ("rate", "20mbit"), _throughput),
)
ASKED = {
    ("delay 50 ms", "delay p50, ms"): 50.0,
    ("delay 50 ms", "delay p99, ms"): 50.0,
    ("delay 50 ms", "standard deviation, ms"): 0.0,
    ("delay 50 ms ± 5 ms, normal", "delay p50, ms"): 50.0,
    ("delay 50 ms ± 5 ms, normal", "standard deviation, ms"): 5.0,
    ("loss 5 %", "segments lost, %"): 5.0,
    ("loss 5 %", "GSO packets with a loss, %"): 100 * (1 - 0.95**10),
    ("rate 20 Mbit/s", "TCP, Mbit/s"): 20 * 1448 / 1514,
}


def _side_by_side(host: AttachedHost, setting: Setting, rounds: int) -> Iterator[Row]:
    ours: list[Mapping[str, float]] = []
    theirs: list[Mapping[str, float]] = []
    bare: list[Mapping[str, float]] = []
    for number in range(rounds):
        host.put_on({"seed": 7 + number, "egress": dict(setting.ours)})
        ours.append(setting.measure(host))
        host.put_on({})
        bare.append(setting.measure(host))
        with netem(host.subject, *setting.theirs) as missing:
            if missing is not None:
                raise SystemExit(f"no netem here: {missing}")
            theirs.append(setting.measure(host))
    for what in ours[0]:
        middle = (float(np.median([run[what] for run in side])) for side in (ours, theirs, bare))
        yield Row(setting.name, what, ASKED.get((setting.name, what)), *middle)


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.beside_netem", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each side, in turn; medians are shown")
    parser.add_argument("--json", type=Path, help="file to write, too")
    arguments = parser.parse_args()
    with attached_host() as host:
        rows = [row for setting in SETTINGS for row in _side_by_side(host, setting, arguments.rounds)]
    title = f"Linux {platform.release()}, medians of {arguments.rounds}"
    table = Table("conditions", "measured", "asked", "netpersona", "netem", "neither", title=title)
    for row in rows:
        table.add_row(row.setting, row.what, *map(_shown, (row.asked, row.ours, row.netem, row.bare)))
    Console(width=110).print(table)
    if arguments.json:
        document = {
            "kernel": platform.release(),
            "rounds": arguments.rounds,
            "rows": [asdict(row) for row in rows],
        }
        arguments.json.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
