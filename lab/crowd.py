"""A thousand workloads on one host: how long it takes to switch them all, and what each costs.

Every attachment carries traffic both ways before it is measured: the engine makes a lane when the first
packet of a direction comes, so attachments that were never used cost it nothing.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from lab.attached_host import AttachedHost, attached_host
from lab.measure import cpu_s, wait_until
from lab.rows import Figure
from netpersona.datapath import Facing
from netpersona.kinds.persona import CompiledPersona, compile_persona, from_mapping

WORKLOADS = 1_000
IDLE = 100
FRAME = b"\xff" * 6 + b"\x02\0\0\0\0\x01" + b"\x88\xb5" + bytes(86)  # IEEE 802 local experimental
SETTLE_S = 1.5
"""What the engine still does for a lane in the second after its last packet."""
WATCHED_S = 4.0


def crowd_rows() -> Iterator[Figure]:
    """A thousand attachments, each with a persona and two lanes of its own."""
    with attached_host(workloads=1) as host:
        names = _interfaces(host, WORKLOADS)
        few = _attach_all(host, names[:1])
        _use(host, names[:1], few)
        before = _resident_kib(host)
        few += _attach_all(host, names[1:IDLE])
        _use(host, names[1:IDLE], few)
        yield Figure(f"engine with {IDLE} idle attachments", _engine_percent(host), "% of a core", upper=1)
        everyone = few + _attach_all(host, names[IDLE:])
        _use(host, names[IDLE:], everyone)
        each = (_resident_kib(host) - before) / (WORKLOADS - 1)
        yield Figure("1,000 workloads, switch all", _switch_all_ms(host, everyone), "ms", upper=15)
        yield Figure("resident memory for each beyond the first", each, "KiB", upper=20)
        yield Figure(
            f"engine with {WORKLOADS:,} idle attachments", _engine_percent(host), "% of a core", upper=1
        )


def _interfaces(host: AttachedHost, count: int) -> list[str]:
    """Pairs of interfaces, both ends up in the host; the names of the ends that personas go to."""
    lines = [f"link add c{n} up type veth peer name d{n}" for n in range(count)]
    lines += [f"link set d{n} up" for n in range(count)]
    host.lab.host.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n", timeout=120)
    return [f"c{n}" for n in range(count)]


def _attach_all(host: AttachedHost, names: Sequence[str]) -> list[int]:
    """Attach, each with a persona that no other has."""
    attachments = [host.datapath.attach(name, Facing.WORKLOAD) for name in names]
    for attachment in attachments:
        host.datapath.switch(attachment, host.datapath.install(_persona(seed=attachment)))
    return attachments


def _persona(seed: int) -> CompiledPersona:
    link = {"latency": "1ms", "jitter": "100us", "distribution": "normal"}
    return compile_persona(
        from_mapping({"persona_id": "crowd", "seed": seed, "egress": link, "ingress": link})
    )


def _use(host: AttachedHost, names: Sequence[str], attachments: Sequence[int]) -> None:
    """One frame from and one to each workload; all have come out of the engine at the end."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        for name in names:
            for interface in (name, name.replace("c", "d")):
                raw.sendto(FRAME, (interface, 0))
    used = attachments[-len(names) :]
    wait_until(lambda: all(_has_lanes(host, one) for one in used), timeout_s=5, what="a frame on each lane")


def _has_lanes(host: AttachedHost, attachment: int) -> bool:
    seen = host.datapath.observe(attachment)
    return all(
        lane.emitted >= 1 and lane.settled == lane.sent for lane in (seen.egress_lane, seen.ingress_lane)
    )


def _switch_all_ms(host: AttachedHost, attachments: Sequence[int]) -> float:
    """To personas that no slot holds yet: writing them is part of it, compiling them is not."""
    wanted = [_persona(seed=WORKLOADS * 2 + attachment) for attachment in attachments]
    begin = time.perf_counter()
    for attachment, persona in zip(attachments, wanted, strict=True):
        host.datapath.switch(attachment, host.datapath.install(persona))
    return (time.perf_counter() - begin) * 1000


def _resident_kib(host: AttachedHost) -> int:
    """Of this process (the agent's part) and the engine."""
    return sum(_status_kib(pid) for pid in ("self", str(host.engine.pid)))


def _status_kib(pid: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])


def _engine_percent(host: AttachedHost) -> float:
    """Of a core, user and system time."""
    time.sleep(SETTLE_S)
    before = cpu_s(host.engine.pid)
    time.sleep(WATCHED_S)
    return (cpu_s(host.engine.pid) - before) / WATCHED_S * 100
