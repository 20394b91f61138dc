"""Figures with their bounds and peers, all of one run: ``python -m lab.bench`` (needs root).

Ratios are medians of interleaved pairs, so a change of the machine's mood falls on both sides alike.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from lab import end_on_sigterm, peers
from lab.attached_host import AttachedHost, attached_host
from lab.crowd import crowd_rows
from lab.listing import listing_rows
from lab.measure import flow
from lab.netem import beside, netem
from lab.packets import packet_figures
from lab.passes import pass_rows
from lab.policy import policy_cost
from lab.rates import rate_figures
from lab.rest import rest_rows
from lab.rows import Figure
from lab.shapes import shape_figures
from lab.stress import ROTATION, flip, verdict_of
from lab.throughput import throughput_rows
from lab.traffic import Records, delays_ms, exchange, start

PR_SET_TIMERSLACK = 29  # linux/prctl.h


def switch_call(host: AttachedHost) -> Iterator[Figure]:
    """A switch as Python sees it: two slots in turn, 100,000 calls."""
    attachment = host.attachments[host.subject.host_interface]
    slots = [host.install(persona) for persona, _ in ROTATION[:2]]
    switch, clock, took = host.datapath.switch, time.perf_counter_ns, []
    for number in range(100_000):
        begin = clock()
        switch(attachment, slots[number & 1])
        took.append(clock() - begin)
    p50, p99 = np.quantile(took, [0.5, 0.99]) / 1000
    yield Figure("switch, Python call to store, p50", p50, "µs", upper=1, peer=peers.switch_peers())
    yield Figure("switch, Python call to store, p99", p99, "µs", upper=5)


def switch_under_load(host: AttachedHost) -> Iterator[Figure]:
    """Ten thousand switches while datagrams flow both ways."""
    attachment = host.attachments[host.subject.host_interface]
    slots = [host.install(persona) for persona, _ in ROTATION]
    host.datapath.switch(attachment, slots[0])
    count, interval_s = 60_000, 0.0005
    load = start(
        [
            flow(host.subject, host.peer, count=count, interval_s=interval_s, burst=2),
            flow(host.peer, host.subject, count=count, interval_s=interval_s, burst=2, number=1),
        ]
    )
    flip(host.datapath, attachment, slots, 10_000, during_s=count / 2 * interval_s)
    verdicts = [verdict_of(records, count, [marks for _, marks in ROTATION]) for records in load.collect()]
    for kind in ("torn", "lost", "reordered"):
        total = sum(getattr(verdict, kind) for verdict in verdicts)
        yield Figure(f"10,000 switches under load: {kind}", total, f"of {2 * count}", upper=0)


def delay_error(host: AttachedHost) -> Iterator[Figure]:
    """How late 5 ms is, beside how late clock_nanosleep is and what the bare path takes."""
    path = _errors_us(host, None)
    late = _errors_us(host, {"egress": {"latency": "5ms"}})
    sleep = _sleep_errors_us(5_000_000, 400)
    asked = float(np.median(sleep) + np.median(path))
    yield Figure("delay error p50 above timer and path", np.median(late) - asked, "µs", upper=15)
    p99 = np.quantile(late, 0.99) / np.quantile(np.asarray(sleep) + np.median(path), 0.99)
    yield Figure("delay error p99 against the timer's own", p99, "times", upper=1.2)
    true = late - np.median(path)
    p50, p99 = np.quantile(true, [0.5, 0.99])
    theirs = _netem_errors(host, float(np.median(path)))
    timer = np.quantile(sleep, [0.5, 0.99])
    what = "delay error p50, true: above the bare path"
    yield Figure(what, p50, "µs", peer=f"timer {timer[0]:.0f}; {theirs}")
    yield Figure("delay error p99, true", p99, "µs", peer=f"timer {timer[1]:.0f}")


def _netem_errors(host: AttachedHost, path_us: float) -> str:
    """The same 5 ms by netem, which the workload itself wears."""
    with netem(host.subject, "delay", "5ms") as missing:
        if missing is not None:
            return beside(missing, "")
        records = _send(host, {})
    p50, p99 = np.quantile((delays_ms(records) - 5.0) * 1000 - path_us, [0.5, 0.99])
    return beside(None, f"p50 {p50:.0f}, p99 {p99:.0f}")


def _errors_us(
    host: AttachedHost, persona: dict[str, object] | None
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    asked_ms = 5.0 if persona else 0.0
    return (delays_ms(_send(host, persona or {})) - asked_ms) * 1000


def _send(host: AttachedHost, persona: dict[str, object]) -> Records:
    host.put_on(persona)
    return exchange([flow(host.subject, host.peer, count=1_000, interval_s=0.003)])[0]


def _sleep_errors_us(nanoseconds: int, count: int) -> list[float]:
    """The timer at its best: without the 50 µs of slack that Linux gives a thread by default."""
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    errors = []
    for _ in range(count):
        begin = time.monotonic_ns()
        time.sleep(nanoseconds / 1e9)  # clock_nanosleep(CLOCK_MONOTONIC) from Python 3.11 on
        errors.append((time.monotonic_ns() - begin - nanoseconds) / 1000)
    return errors


PARTS: list[tuple[str, Callable[[AttachedHost], Iterator[Figure]]]] = [
    ("switch", switch_call),
    ("stress", switch_under_load),
    ("delay", delay_error),
    ("rate", rate_figures),
    ("shapes", shape_figures),
    ("policy", policy_cost),
    ("packets", packet_figures),
]
WHOLE: list[tuple[str, Callable[[], Iterator[Figure]]]] = [
    ("throughput", throughput_rows),
    ("rest", rest_rows),
    ("crowd", crowd_rows),
    ("listing", listing_rows),
    ("passes", pass_rows),
]


def measure(only: set[str], say: Callable[[str], None]) -> list[Figure]:
    """Every figure asked for, in order."""
    figures: list[Figure] = []
    if chosen := [(name, part) for name, part in PARTS if not only or name in only]:
        with attached_host() as host:
            for name, part in chosen:
                say(f"{name}: {part.__doc__}")
                figures += part(host)
    for name, whole in WHOLE:
        if not only or name in only:
            say(f"{name}: {whole.__doc__}")
            figures += whole()
    return figures


def show(console: Console, figures: list[Figure]) -> None:
    table = Table(
        title=f"netpersona on {os.cpu_count()} cores, Linux {platform.release()}", title_justify="left"
    )
    for heading in ("what", "measured", "bound", "holds", "peer"):
        table.add_column(heading, overflow="fold")
    for figure in figures:
        verdict = {None: "", True: "[green]yes", False: "[bold red]NO"}[figure.holds]
        table.add_row(figure.what, figure.measured, figure.bound, verdict, figure.peer)
    console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--only", nargs="*", default=[], choices=[name for name, _ in [*PARTS, *WHOLE]])
    arguments = parser.parse_args()
    end_on_sigterm()
    console = Console(width=None if sys.stdout.isatty() else 120)
    if os.geteuid() != 0:
        console.print(
            "The benchmark makes network namespaces and loads eBPF: run it as root (sudo make bench)."
        )
        return 1
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("starting")
        figures = measure(set(arguments.only), lambda text: bar.update(task, description=text))
    show(console, figures)
    if arguments.json:
        arguments.json.write_text(
            json.dumps([asdict(figure) | {"holds": figure.holds} for figure in figures], indent=2)
        )
    return 0 if all(figure.holds is not False for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
