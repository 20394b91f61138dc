"""Three minutes of everything at once: ``python -m lab.soak`` (needs root).

Ten switches a second through REST, datagrams both ways and TCP, a container that is started anew every ten
seconds, and in the first minute a kill -9 of each process in turn. Judged at the end: nothing refused but by
what was dead, every switch in force, no growth after the kills, no error in a log, nothing left.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.table import Table

from lab import end_on_sigterm
from lab.containers import Podman, podman
from lab.instance import Instance, alive, eventually, instance, traces
from lab.measure import flow, iperf3_server, settle_neighbours
from lab.namespaces import Lab, lab
from lab.rows import Figure
from lab.traffic import Running, start

ROLES = ("manager", "engine", "agent")
SWITCHES_A_SECOND = 10
RESTART_S = 10.0
SAMPLE_S = 5.0
MENDED_S = 20.0
"""How long a killed process may be away before what it refuses counts."""
GROWTH_KIB = 4096
"""Of all three processes together, over the two quiet minutes."""
PERSONAS: tuple[dict[str, Any], ...] = (
    {"persona_id": "soak-policy", "security_profile": "open", "dscp": 10},
    {
        "persona_id": "soak-delay",
        "egress": {"latency": "5ms", "jitter": "1ms"},
        "ingress": {"latency": "5ms"},
    },
    {"persona_id": "soak-rate", "egress": {"bandwidth": "50mbit"}, "ingress": {"bandwidth": "100mbit"}},
    {"persona_id": "soak-loss", "egress": {"loss": "1%", "duplicate": "1%", "latency": "1ms"}},
)


@dataclass
class Soak:
    """What was done and seen so far."""

    switches: int = 0
    refused: list[str] = field(default_factory=list)
    away: int = 0
    restarts: int = 0
    kills: int = 0
    killed_s: float = float("-inf")
    kib: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)
    pinned: list[int] = field(default_factory=list)


def soak(seconds: float) -> Iterator[Figure]:
    """Figures that judge the run."""
    with lab(workloads=2) as built, podman(built.host) as pods:
        pods.run("first")  # makes podman's bridge
        pods.command("rm", "--all", "--force", "--time", "0")
        before = traces(built.host)
        with instance(built, supervised=True) as product:
            done = _run(product, built, pods, seconds)
            yield from _judged(product, done, seconds)
            objects = product.pinned()
            product.command("down")
            left = len(alive(objects)) + sum(product.process(role) is not None for role in ROLES)
        pods.command("rm", "--all", "--force", "--time", "0")
        eventually(lambda: traces(built.host) == before)
        yield Figure("programs, maps, links and processes left after down", left, "", upper=0)


def _run(product: Instance, built: Lab, pods: Podman, seconds: float) -> Soak:
    settle_neighbours(built.workloads)
    product.command("up", "--container-socket", str(pods.socket))
    product.add(built.workloads[0], "subject")
    for persona in PERSONAS:
        product.define(persona)
    pods.run("shop", "--label", "app=shop")
    product.request(
        "POST", "/v1/workloads", {"workload_id": "shop", "kind": "container", "container": "shop"}
    )
    done, ended = Soak(), threading.Event()
    begin_s = time.monotonic()
    with (
        _load(built, seconds),
        _aside(_restarting(pods, done, ended)),
        _aside(_killing(product, done, seconds, ended)),
    ):
        try:
            _switching(product, done, begin_s, seconds)
        finally:
            ended.set()
    return done


@contextmanager
def _aside(work: threading.Thread) -> Iterator[None]:
    work.start()
    try:
        yield
    finally:
        work.join()


@contextmanager
def _load(built: Lab, seconds: float) -> Iterator[None]:
    """Datagrams both ways, and TCP as fast as the persona lets it."""
    subject, peer = built.workloads
    count, interval_s = int(seconds / 0.002), 0.002
    flows: Running = start(
        [
            flow(subject, peer, count=count, interval_s=interval_s),
            flow(peer, subject, count=count, interval_s=interval_s, number=1),
        ]
    )
    options = ["--time", str(int(seconds)), "--bitrate", "200M"]
    try:
        with iperf3_server(peer), subject.namespace.spawn("iperf3", "--client", peer.ipv4, *options):
            yield
    finally:
        flows.stop()


def _switching(product: Instance, done: Soak, begin_s: float, seconds: float) -> None:
    names = itertools.cycle(persona["persona_id"] for persona in PERSONAS)
    sample_s = begin_s + seconds / 3
    for number in range(int(seconds * SWITCHES_A_SECOND)):
        _switch(product, done, next(names))
        if time.monotonic() >= sample_s:
            sample_s += SAMPLE_S
            _sample(product, done)
        wait_s = begin_s + (number + 1) / SWITCHES_A_SECOND - time.monotonic()
        time.sleep(max(0.0, wait_s))


def _switch(product: Instance, done: Soak, persona: str) -> None:
    target = "shop" if done.switches % 5 == 4 else "subject"
    try:
        with product.client() as client:
            answer = client.put(f"/v1/workloads/{target}/persona", json={"persona_id": persona})
        if not answer.is_success:
            done.refused.append(f"{answer.status_code} {answer.text[:200]}")
    except httpx2.TransportError as error:
        if time.monotonic() - done.killed_s > MENDED_S:
            done.refused.append(str(error))
        done.away += 1
    done.switches += 1


def _sample(product: Instance, done: Soak) -> None:
    pids = [process.pid for role in ROLES if (process := product.process(role))]
    done.kib.append(sum(_rss_kib(pid) for pid in pids))
    done.descriptors.append(sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids))
    done.pinned.append(len(product.pinned()))


def _rss_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def _restarting(pods: Podman, done: Soak, ended: threading.Event) -> threading.Thread:
    def work() -> None:
        while not ended.wait(RESTART_S):
            pods.command("restart", "--time", "0", "shop")
            done.restarts += 1

    return threading.Thread(target=work)


def _killing(product: Instance, done: Soak, seconds: float, ended: threading.Event) -> threading.Thread:
    """Each process once in the first third, the supervisor brings it back."""

    def work() -> None:
        for role in ROLES:
            if ended.wait(seconds / 3 / (len(ROLES) + 1)):
                return
            done.killed_s = time.monotonic()
            product.kill(role)
            done.kills += 1

    return threading.Thread(target=work)


def _judged(product: Instance, done: Soak, seconds: float) -> Iterator[Figure]:
    product.assign("soak-policy", "subject")
    product.assign("soak-policy", "shop")
    third = max(1, len(done.kib) // 3)
    grown = [
        _median(series[-third:]) - _median(series[:third])
        for series in (done.kib, done.descriptors, done.pinned)
    ]
    yield Figure("switches", done.switches, "", lower=int(seconds * SWITCHES_A_SECOND))
    yield Figure("container restarts", done.restarts, "", lower=int(seconds / RESTART_S) - 3)
    yield Figure("kill -9", done.kills, "", lower=len(ROLES))
    yield Figure(
        "refused, or no answer from what was alive",
        len(done.refused),
        "",
        upper=0,
        peer=" ".join(done.refused[:1]),
    )
    yield Figure("no answer while something was dead", done.away, "")
    yield Figure("growth of resident memory", grown[0], "KiB", upper=GROWTH_KIB)
    yield Figure("growth of open descriptors", grown[1], "", upper=4)
    yield Figure("growth of pinned programs, maps and links", grown[2], "", upper=0)
    errors = _errors(product)
    yield Figure("errors in the logs", len(errors), "", upper=0, peer=" ".join(errors[:1])[:200])


def _median(values: list[int]) -> float:
    return float(sorted(values)[len(values) // 2]) if values else 0.0


def _errors(product: Instance) -> list[str]:
    """Lines of the logs that tell of an error or a defect."""
    marks = ("[error", "level='error'", "Traceback", "panicked", "defect")
    lines = (line for log in (product.state_dir / "log").glob("*") for line in log.read_text().splitlines())
    return [line for line in lines if any(mark in line for mark in marks)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=180.0)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    end_on_sigterm()
    figures = list(soak(options.seconds))
    table = Table(title=f"{options.seconds:g} s of switches, load, restarts and kills", title_justify="left")
    for heading in ("what", "measured", "bound", "holds", "first"):
        table.add_column(heading, overflow="fold")
    for figure in figures:
        verdict = {None: "", True: "[green]yes", False: "[bold red]NO"}[figure.holds]
        table.add_row(figure.what, figure.measured, figure.bound, verdict, figure.peer)
    Console(width=None if sys.stdout.isatty() else 120).print(table)
    if options.json:
        options.json.write_text(json.dumps([vars(figure) for figure in figures], indent=2))
    return 0 if all(figure.holds is not False for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
