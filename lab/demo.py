"""The main job on real traffic: ``python -m lab.demo`` (needs root; exit 1 where something does not hold).

Everything happens in namespaces made here and removed at the end, also after Ctrl-C.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from scipy import stats

from lab import containers
from lab.containers import Podman
from lab.instance import Instance, eventually, instance
from lab.measure import connects, flow, ping_ms, settle_neighbours, tcp_bits_per_s
from lab.namespaces import Namespace, Workload, lab
from lab.stress import ROTATION, verdict_of
from lab.traffic import delays_ms, exchange, missing, reordered, start

SWITCHES = 1_000
SETTLE_S = 0.5  # packets under way under the persona before keep their departure times
CONFIDENCE = 0.001  # a statistical check fails when its p-value is below this


@dataclass(frozen=True)
class Row:
    """One line of the result: what was asked, what was measured, whether it holds."""

    what: str
    asked: str
    measured: str
    holds: bool


@dataclass
class Stage:
    """What the checks work on."""

    product: Instance
    subject: Workload
    peer: Workload
    rows: list[tuple[str, Row]] = field(default_factory=list)


def within(
    what: str, asked: float, measured: float, unit: str, *, share: float = 0.0, floor: float = 0.0
) -> Row:
    """Holds when measured is within ``share`` of asked, or within ``floor`` in its unit."""
    holds = abs(measured - asked) <= max(asked * share, floor)
    return Row(what, f"{asked:g} {unit}", f"{measured:.4g} {unit}", holds)


def share_of(what: str, asked: float, hits: int, count: int) -> Row:
    """Holds unless an exact binomial test rejects the share."""
    p_value = stats.binomtest(hits, count, asked).pvalue
    return Row(what, f"{asked:.2%}", f"{hits / count:.2%} of {count}", p_value > CONFIDENCE)


def equal(what: str, asked: object, measured: object) -> Row:
    return Row(what, str(asked), str(measured), asked == measured)


def one_way(stage: Stage, *, count: int, interval_s: float, **options: Any) -> dict[str, Any]:
    flows = [
        flow(stage.subject, stage.peer, count=count, interval_s=interval_s, **options),
        flow(stage.peer, stage.subject, count=count, interval_s=interval_s, number=1, **options),
    ]
    return dict(zip(("sends", "receives"), exchange(flows), strict=True))


def check_good_3g(stage: Stage) -> list[Row]:
    """The published figures of ATC's "3G Good", a preset, over UDP, ICMP and TCP."""
    rows = []
    for way, asked in {"sends": 100.0, "receives": 90.0}.items():
        delays = delays_ms(one_way(stage, count=50, interval_s=0.02, size=64)[way])
        rows.append(within(f"UDP delay, {way}", asked, float(np.median(delays)), "ms", floor=2.0))
    rows.append(
        within(
            "ICMP round trip",
            190.0,
            float(np.median(ping_ms(stage.subject, stage.peer.ipv4, count=20))),
            "ms",
            floor=3.0,
        )
    )
    goodput = tcp_bits_per_s(stage.subject, stage.peer, seconds=5, omit=2, reverse=True)
    rows.append(within("TCP bandwidth, receives", 850.0, goodput * 1514 / 1448 / 1000, "kbit/s", share=0.03))
    return rows


def check_jitter(stage: Stage) -> list[Row]:
    """Order, delay and spread at once, over IPv6, with packets closer than the jitter."""
    rows = []
    for way, records in one_way(stage, count=8_000, interval_s=0.0005, ipv6=True).items():
        delays = delays_ms(records)
        low, median, high = np.quantile(delays, np.asarray(stats.norm.cdf([-1, 0, 1])))
        rows.append(within(f"median delay, {way}", 10.0, float(median), "ms", floor=0.4))
        rows.append(within(f"one standard deviation, {way}", 2.0, float(high - low) / 2, "ms", floor=0.3))
        rows.append(equal(f"lost or reordered, {way}", 0, missing(records, 8_000) + reordered(records)))
    return rows


def check_bursty(stage: Stage) -> list[Row]:
    """Losses in bursts (Gilbert-Elliott, p 1 %, r 24 %: 4 % in all), duplicates beside them."""
    rows = []
    count = 8_000
    for way, records in one_way(stage, count=count, interval_s=0.002, burst=8).items():
        arrived = np.unique(records["sequence"]).size
        lost = count - arrived
        deviation = np.sqrt(count * 0.04 * 0.96 * (1 + 0.75) / (1 - 0.75))
        holds = abs(lost - count * 0.04) < stats.norm.isf(CONFIDENCE / 2) * deviation
        rows.append(Row(f"loss, {way}", "4.00%", f"{lost / count:.2%} of {count}", bool(holds)))
        rows.append(share_of(f"duplicates, {way}", 0.02, records.size - arrived, arrived))
    return rows


def check_guarded(stage: Stage) -> list[Row]:
    """Firewall, DSCP and MTU in the kernel; the throughput of a persona that never leaves it."""
    records = one_way(stage, count=200, interval_s=0.002)["sends"]
    largest = stage.subject.namespace.run(
        "ping", "-c", "2", "-W", "1", "-M", "do", "-s", str(1300 - 28), stage.peer.ipv4, check=False
    ).returncode
    too_large = stage.subject.namespace.run(
        "ping", "-c", "2", "-W", "1", "-M", "do", "-s", str(1301 - 28), stage.peer.ipv4, check=False
    )
    return [
        equal("connection in, port 22", "allowed", _word(connects(stage.peer, stage.subject, 22))),
        equal("connection in, port 80", "refused", _word(connects(stage.peer, stage.subject, 80))),
        equal("connection out, port 80", "allowed", _word(connects(stage.subject, stage.peer, 80))),
        equal("DSCP of what it sends", 46, int(records["tos"][0]) >> 2 if records.size else None),
        equal("1300-byte packet", "passes", "passes" if largest == 0 else "does not"),
        equal(
            "1301-byte packet",
            "answered by ICMP",
            "answered by ICMP" if "mtu" in too_large.stdout + too_large.stderr else "not answered",
        ),
    ]


def _word(connected: bool) -> str:
    return "allowed" if connected else "refused"


def check_time_to_live(stage: Stage) -> list[Row]:
    """A persona with a time to live of 300 ms: the data path itself goes back."""
    before = float(np.median(ping_ms(stage.subject, stage.peer.ipv4, count=5)))
    stage.product.assign("demo-slow", "subject", ttl="300ms")
    during = float(np.median(ping_ms(stage.subject, stage.peer.ipv4, count=5)))
    time.sleep(0.4)
    after = float(np.median(ping_ms(stage.subject, stage.peer.ipv4, count=5)))
    return [
        within("ICMP round trip before", 0.0, before, "ms", floor=2.0),
        within("while it lasts", 20.0, during, "ms", floor=2.0),
        within("0.4 s later", 0.0, after, "ms", floor=2.0),
    ]


PERSONAS: list[Mapping[str, Any]] = [
    {
        "persona_id": "demo-jitter",
        "seed": 1,
        "egress": {"latency": "10ms", "jitter": "2ms", "distribution": "normal"},
        "ingress": {"latency": "10ms", "jitter": "2ms", "distribution": "normal"},
    },
    {
        "persona_id": "demo-bursty",
        "seed": 2,
        "egress": {"loss": {"model": "gilbert_elliott", "p": "1%", "r": "24%"}, "duplicate": "2%"},
        "ingress": {"loss": {"model": "gilbert_elliott", "p": "1%", "r": "24%"}, "duplicate": "2%"},
    },
    {"persona_id": "demo-guarded", "security_profile": "restricted", "dscp": "ef", "mtu": 1300},
    {"persona_id": "demo-slow", "egress": {"latency": "10ms"}, "ingress": {"latency": "10ms"}},
]

CHECKS: list[tuple[str, str | None, Callable[[Stage], list[Row]]]] = [
    ("atc-3g-good", "atc-3g-good", check_good_3g),
    ("demo-jitter", "demo-jitter", check_jitter),
    ("demo-bursty", "demo-bursty", check_bursty),
    ("demo-guarded", "demo-guarded", check_guarded),
    ("demo-slow for 300 ms", None, check_time_to_live),
]


@contextmanager
def runtime(host: Namespace) -> Iterator[Podman | None]:
    """A podman of the demo's own, where podman is installed."""
    if not containers.installed():
        yield None
        return
    with containers.podman(host) as engine:
        yield engine


def container_by_name(product: Instance, engine: Podman) -> list[Row]:
    """A container found by its name: it wears a persona, is restarted, and wears it again."""
    for name in ("demo-one", "demo-other"):
        engine.run(name)
    product.command("workload", "add", "container", "--container", "demo-one", "--wait", "5s")
    product.assign("demo-slow", "container")
    target = engine.address("demo-other")
    rows = [within("ICMP round trip", 20.0, container_ping_ms(engine, "demo-one", target), "ms", floor=2.0)]
    before = product.attached_ifindexes()
    engine.command("restart", "--time", "0", "demo-one")
    restarted = time.monotonic()
    eventually(lambda: bool(product.attached_ifindexes() - before))
    took_s = time.monotonic() - restarted
    eventually(lambda: product.status("container").get("phase") == "attached")
    rows.append(Row("persona back after the restart", "within 1 s", f"{took_s:.2f} s", took_s <= 1))
    again = container_ping_ms(engine, "demo-one", target)
    return [*rows, within("ICMP round trip", 20.0, again, "ms", floor=2.0)]


def container_ping_ms(engine: Podman, name: str, target: str) -> float:
    """Median round trip; the first answers wait for ARP."""
    shown = engine.inside(name, "ping", "-c", "7", "-i", "0.1", "-W", "2", target).stdout
    return float(np.median([float(found) for found in re.findall(r"time=([0-9.]+) ms", shown)]))


def switch_under_load(stage: Stage) -> list[Row]:
    """A thousand switches through the REST API while datagrams flow both ways."""
    names = [str(persona["persona_id"]) for persona, _ in ROTATION]
    for persona, _ in ROTATION:
        stage.product.define(persona)
    stage.product.assign(names[0], "subject")
    count, burst, interval_s = 40_000, 2, 0.0005
    flows = [
        flow(stage.subject, stage.peer, count=count, burst=burst, interval_s=interval_s),
        flow(stage.peer, stage.subject, count=count, burst=burst, interval_s=interval_s, number=1),
    ]
    load = start(flows)
    took_ms = []
    with stage.product.client() as client:
        for number in range(SWITCHES):
            begin = time.perf_counter()
            body = {"persona_id": names[(number + 1) % len(names)]}
            client.put("/v1/workloads/subject/persona?wait=10s", json=body).raise_for_status()
            took_ms.append((time.perf_counter() - begin) * 1000)
    verdicts = [verdict_of(records, count, [marks for _, marks in ROTATION]) for records in load.collect()]
    rows = [
        equal(f"{kind} of {2 * count} packets", 0, sum(getattr(verdict, kind) for verdict in verdicts))
        for kind in ("torn", "lost", "reordered")
    ]
    p50, p99 = np.quantile(took_ms, [0.5, 0.99])
    rows.append(Row("REST request → applied, p50 / p99", "", f"{p50:.2f} / {p99:.2f} ms", True))
    return rows


def traces(base: Path) -> set[str]:
    """Namespaces, mounts and processes of the demo that worked in ``base``."""
    mounts = {line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()}
    names = {str(path) for path in Path("/run/netns").glob(f"np-t{os.getpid()}-*")}
    commands = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            commands.add(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return names | {text for text in mounts | commands if str(base) in text}


def show(console: Console, title: str, rows: list[Row]) -> bool:
    table = Table(title=title, title_justify="left", min_width=78)
    for heading in ("what", "asked", "measured", "holds"):
        table.add_column(heading)
    for row in rows:
        table.add_row(row.what, row.asked, row.measured, "[green]yes" if row.holds else "[bold red]NO")
    console.print(table)
    return all(row.holds for row in rows)


def run(console: Console) -> bool:
    """The whole demo; whether everything holds."""
    spinner = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    good = True
    with Progress(*spinner, console=console, transient=True) as progress:
        step = progress.add_task("two workloads in namespaces of their own, netpersona up")
        with lab() as built, runtime(built.host) as engine, instance(built) as product:
            product.command("up", *(("--container-socket", str(engine.socket)) if engine else ()))
            settle_neighbours(built.workloads)
            subject, peer = built.workloads
            stage = Stage(product, subject, peer)
            product.add(stage.subject, "subject")
            for persona in PERSONAS:
                product.define(persona)
            for title, persona_id, check in CHECKS:
                progress.update(step, description=f"{title}: sending and measuring")
                if persona_id is None:
                    product.release("subject")
                else:
                    product.assign(persona_id, "subject")
                time.sleep(SETTLE_S)
                good &= show(console, f"{title}: {' '.join((check.__doc__ or '').split())}", check(stage))
            if engine is not None:
                progress.update(step, description="a container of podman by its name")
                good &= show(console, "a container of podman by its name", container_by_name(product, engine))
            progress.update(step, description=f"{SWITCHES} switches under load")
            good &= show(console, f"{SWITCHES} switches under load", switch_under_load(stage))
            progress.update(step, description="netpersona down, removing every trace")
    left = traces(product.run_dir.parent)
    good &= show(console, "netpersona down", [equal("traces left", "none", ", ".join(left) or "none")])
    return good


def main() -> int:
    console = Console(width=None if sys.stdout.isatty() else 120)
    if os.geteuid() != 0:
        console.print("The demo makes network namespaces and loads eBPF: run it as root (sudo make demo).")
        return 1
    try:
        good = run(console)
    except KeyboardInterrupt:
        console.print("Stopped; everything that the demo made is removed.")
        return 130
    console.print("[green]Everything holds." if good else "[bold red]Something does not hold.")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
