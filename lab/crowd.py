"""A thousand workloads on one host: how long it takes to switch them all, and what each costs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from lab.dressed import Dressed, dressed
from lab.rows import Figure

WORKLOADS = 1_000


def crowd_rows() -> Iterator[Figure]:
    """A thousand attachments, each with a persona of its own."""
    with dressed() as host:
        names = _interfaces(host)
        first = [host.install({"seed": 1, "egress": {"latency": "1ms"}})]
        attachments = [host.datapath.attach(names[0], _facing())]
        before = _resident_kib(host)
        attachments += [host.datapath.attach(name, _facing()) for name in names[1:]]
        slots = [host.install({"seed": n + 2, "egress": {"latency": "1ms"}}) for n in range(WORKLOADS)]
        begin = time.perf_counter()
        for attachment, slot in zip(attachments, slots, strict=True):
            host.datapath.switch(attachment, slot)
        took_ms = (time.perf_counter() - begin) * 1000
        each = (_resident_kib(host) - before) / (WORKLOADS - 1)
        yield Figure("1,000 workloads, switch all", took_ms, "ms", upper=50)
        yield Figure("resident memory for each beyond the first", each, "KiB", upper=64)
        yield Figure("engine with 1,000 idle attachments", _engine_cpu_percent(host), "% of a core", upper=1)
        del first


def _facing():  # type: ignore[no-untyped-def]
    from netpersona.datapath import Facing

    return Facing.WORKLOAD


def _interfaces(host: Dressed) -> list[str]:
    lines = [f"link add c{n} type veth peer name d{n}" for n in range(WORKLOADS)]
    host.lab.host.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n", timeout=120)
    return [f"c{n}" for n in range(WORKLOADS)]


def _resident_kib(host: Dressed) -> int:
    """Of this process (the agent's part) and the engine."""
    return sum(_status_kib(pid) for pid in ("self", str(host.engine.pid)))


def _status_kib(pid: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def _engine_cpu_percent(host: Dressed, seconds: float = 3.0) -> float:
    def ticks() -> int:
        fields = Path(f"/proc/{host.engine.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(seconds)
    return (ticks() - before) / 100 / seconds * 100
