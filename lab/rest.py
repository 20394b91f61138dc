"""A switch through REST: from the request on the Unix socket to the first packet under the new persona.

Measured twice: with one workload, and beside a thousand that report their counters while another is attached
and detached every second. The request is written by hand to the socket, so that no client library is timed.
"""

from __future__ import annotations

import json
import math
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from numpy.typing import NDArray

from lab.crowd import FRAME
from lab.instance import Instance, instance
from lab.measure import PORT, settle_neighbours
from lab.namespaces import Lab, lab
from lab.rows import Figure
from lab.tools import tool
from lab.traffic import marks, udp_socket
from netpersona.datapath.schedule import hasten

CROWD = 1_000
SECONDS = 10.0
PAUSE_S = 0.02
PACE = 5_000
"""Packets a second of the load; half of the time between two is in every figure."""
LAST_S = 0.3
"""The load shows the last switch, too."""
REPORT_S = 5.0
ATTACHING_S = 60.0
"""Half of it is the kernel's: it waits for RCU at each end of each interface, one after the other."""
_PATH = "/v1/workloads/subject/persona"

Arrivals = NDArray[np.int64]
"""Rows of two: CLOCK_REALTIME nanoseconds, DSCP."""


@dataclass
class Asked:
    """One request: when it was sent (CLOCK_REALTIME), which DSCP it brings, how long the manager took."""

    sent_ns: int
    dscp: int
    parse_us: float
    commit_us: float


@dataclass
class Applied:
    """What the agent reports of the stores, by sequence of arrival; read from a watch."""

    at_ns: list[int] = field(default_factory=list)
    agent_us: list[float] = field(default_factory=list)


def rest_rows() -> Iterator[Figure]:
    """PUT sent on the Unix socket until the first packet that shows the new persona."""
    with lab() as built, instance(built) as product:
        _prepare(product, built)
        yield from _figures(product, built, "one workload")
        yield from _split(product, built)
        yield from _beside_a_crowd(product, built)


def _prepare(product: Instance, built: Lab) -> None:
    product.command("up")
    settle_neighbours(built.workloads)
    product.add(built.workloads[0], "subject")
    for dscp in (10, 20):
        product.define({"persona_id": f"dscp-{dscp}", "dscp": dscp})
    product.assign("dscp-10", "subject")


def _beside_a_crowd(product: Instance, built: Lab) -> Iterator[Figure]:
    """Rows that say no where the crowd is not attached in time."""
    names = _interfaces(built)
    took_s = _attach_s(product, names[:-1])
    yield Figure(f"{CROWD:,} workloads added through REST and attached", took_s, "s", upper=ATTACHING_S)
    what = f"{CROWD:,} reporting"
    if took_s == math.inf:
        yield from _switch_rows(what, math.inf, math.inf)
        return
    with _busy(product, built, names):
        yield from _figures(product, built, what)


def _figures(product: Instance, built: Lab, what: str) -> Iterator[Figure]:
    asked, records = _measure(product, built)
    p50, p99 = np.quantile(_first_packets_ms(asked, records), [0.5, 0.99])
    yield from _switch_rows(what, p50, p99)


def _switch_rows(what: str, p50: float, p99: float) -> Iterator[Figure]:
    yield Figure(f"REST switch to the first packet, {what}, p50", p50, "ms", upper=1.5)
    yield Figure(f"REST switch to the first packet, {what}, p99", p99, "ms", upper=3)


def _split(product: Instance, built: Lab) -> Iterator[Figure]:
    """Medians of another run, whose watch of the statuses takes time of its own in the manager.

    What is neither manager nor agent is sockets, wake-ups and HTTP between the processes.
    """
    applied = Applied()
    with _watching(product, applied):
        asked, records = _measure(product, built)
    first_ms = _first_packets_ms(asked, records)
    stores = np.array(applied.at_ns)
    after = np.searchsorted(stores, [one.sent_ns for one in asked])
    known = after < len(stores)
    store_us = (stores[after[known]] - np.array([one.sent_ns for one in asked])[known]) / 1e3
    parse_us = float(np.median([one.parse_us for one in asked]))
    commit_us = float(np.median([one.commit_us for one in asked]))
    agent_us = float(np.median(applied.agent_us))
    between_us = float(np.median(store_us)) - parse_us - commit_us - agent_us
    yield Figure("  of it: manager reads the request (parse)", parse_us, "µs")
    yield Figure("  of it: manager stores it and tells watchers (commit, feed)", commit_us, "µs")
    yield Figure("  of it: agent, from the event to the store", agent_us, "µs")
    yield Figure("  of it: sockets and wake-ups between the processes", between_us, "µs")
    left_us = float(np.median(first_ms[known] * 1e3 - store_us))
    yield Figure("  of it: store to the next packet of the load", left_us, "µs")


def _measure(product: Instance, built: Lab) -> tuple[list[Asked], Arrivals]:
    with _load(built) as arrivals, Client(product.run_dir / "api.sock") as client:
        time.sleep(0.3)
        end_s = time.monotonic() + SECONDS
        asked: list[Asked] = []
        while time.monotonic() < end_s:
            asked.append(client.assign(10 if len(asked) % 2 else 20))
            time.sleep(PAUSE_S)
        time.sleep(LAST_S)
    return asked, np.array(arrivals)


@contextmanager
def _load(built: Lab) -> Iterator[list[tuple[int, int]]]:
    """Paced packets between the workloads. What is yielded says, once they end, when each came and its DSCP.

    They go before all else, as from a wire, and wake nobody when they come: the machine is the product's.
    """
    sender, receiver = built.workloads
    arrivals: list[tuple[int, int]] = []
    with receiver.namespace.call(udp_socket) as sink:
        sink.bind(("", PORT))
        command = [str(tool("pacer")), receiver.ipv4, str(PORT), str(PACE), "60"]
        with sender.namespace.spawn(*command) as pacer:
            hasten(pacer.pid, -20)
            try:
                yield arrivals
            finally:
                pacer.kill()
        sink.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                received_ns, tos = marks(sink.recvmsg(64, 128)[1])
                arrivals.append((received_ns, tos >> 2))


def _first_packets_ms(asked: list[Asked], arrivals: Arrivals) -> NDArray[np.float64]:
    return np.array([_first_packet_ns(arrivals, one) - one.sent_ns for one in asked]) / 1e6


def _first_packet_ns(arrivals: Arrivals, asked: Asked) -> int:
    received_ns, dscp = arrivals.T
    return int(received_ns[(received_ns >= asked.sent_ns) & (dscp == asked.dscp)][0])


class Client:
    """One kept connection to the Unix socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(10)
        self._socket.connect(str(path))
        self._answers = self._socket.makefile("rb")

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self._socket.close()

    def assign(self, dscp: int) -> Asked:
        body = json.dumps({"persona_id": f"dscp-{dscp}"}).encode()
        head = f"PUT {_PATH} HTTP/1.1\r\nHost: netpersona\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        sent_ns = time.time_ns()
        self._socket.sendall(request)
        headers = self._answer()
        timing = dict(re.findall(r"(\w+);dur=([\d.]+)", headers["server-timing"]))
        return Asked(sent_ns, dscp, float(timing["parse"]) * 1e3, float(timing["commit"]) * 1e3)

    def _answer(self) -> Mapping[str, str]:
        status = self._answers.readline().split()
        headers: dict[str, str] = {}
        while line := self._answers.readline().strip().decode():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        self._answers.read(int(headers["content-length"]))
        assert status[1] == b"200", status
        return headers


@contextmanager
def _watching(product: Instance, applied: Applied) -> Iterator[None]:
    """Reads what the agent reports of the subject, in a thread that ends with the manager."""
    ended = threading.Event()

    def read() -> None:
        url = "/v1/workloads?watch=1"
        with (
            suppress(httpx2.TransportError),
            product.client() as client,
            client.stream("GET", url, timeout=None) as stream,
        ):
            for line in stream.iter_lines():
                if ended.is_set():
                    return
                _take(applied, json.loads(line))

    threading.Thread(target=read, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def _take(applied: Applied, event: Mapping[str, Any]) -> None:
    status = event["object"].get("status")
    if event["type"] != "STATUS" or event["object"]["workload_id"] != "subject" or not status["applied_at"]:
        return
    at_ns = round(datetime.fromisoformat(status["applied_at"]).timestamp() * 1e6) * 1000
    if not applied.at_ns or at_ns > applied.at_ns[-1]:
        applied.at_ns.append(at_ns)
        applied.agent_us.append(status["applied_us"])


def _interfaces(built: Lab) -> list[str]:
    """Of a thousand workloads that stay, and of one that comes and goes."""
    names = [f"c{number}" for number in range(CROWD + 1)]
    lines = [f"link add {name} up type veth peer name d{name}" for name in names]
    lines += [f"link set d{name} up" for name in names]
    built.host.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n", timeout=120)
    return names


def _attach_s(product: Instance, names: Sequence[str]) -> float:
    """From the first request until the kernel has the last, beside the subject; inf: not in time."""
    begin_s = time.monotonic()
    with product.client() as client:
        for name in names:
            _add(client, name)
    while len(product.attached_ifindexes()) <= len(names):
        if time.monotonic() > begin_s + ATTACHING_S:
            return math.inf
        time.sleep(0.5)
    return time.monotonic() - begin_s


@contextmanager
def _busy(product: Instance, built: Lab, names: Sequence[str]) -> Iterator[None]:
    """The counters of all but the last move; that one is attached and detached every second."""
    ended = threading.Event()
    threads = [
        threading.Thread(target=_come_and_go, args=(product, names[-1], ended)),
        threading.Thread(target=_keep_counting, args=(built, names[:-1], ended)),
    ]
    for thread in threads:
        thread.start()
    time.sleep(REPORT_S)
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _add(client: Any, name: str) -> None:
    body = {"workload_id": name, "kind": "interface", "interface": name, "facing": "workload"}
    client.post("/v1/workloads", json=body).raise_for_status()


def _come_and_go(product: Instance, name: str, ended: threading.Event) -> None:
    with product.client() as client:
        while not ended.is_set():
            _add(client, name)
            ended.wait(0.5)
            client.delete(f"/v1/workloads/{name}").raise_for_status()
            ended.wait(0.5)


def _keep_counting(built: Lab, names: Sequence[str], ended: threading.Event) -> None:
    """A frame on each interface between two reports, so that each has something to report."""
    with built.host.call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)) as raw:
        while not ended.is_set():
            for name in names:
                raw.sendto(FRAME, (f"d{name}", 0))
                if ended.wait(REPORT_S / len(names)):
                    return
