"""Measurements between two workloads of a lab, with the field's own tools where there are any."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from lab.namespaces import Workload
from lab.traffic import Flow, udp_socket

PORT = 40000


def flow(
    sender: Workload,
    receiver: Workload,
    *,
    count: int,
    interval_s: float,
    burst: int = 1,
    size: int = 128,
    ipv6: bool = False,
    segment: int = 0,
    number: int = 0,
) -> Flow:
    """A flow of datagrams from one workload to another, over IPv4 or IPv6."""
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    address = receiver.ipv6 if ipv6 else receiver.ipv4
    port = PORT + number
    source = sender.namespace.call(lambda: udp_socket(family))
    target = receiver.namespace.call(lambda: udp_socket(family))
    source.bind(("", port))
    target.bind(("", port))
    return Flow(source, target, (address, port), count, interval_s, burst, size, number, segment)


@contextmanager
def iperf3_server(workload: Workload, port: int = 5201) -> Iterator[None]:
    """An iperf3 server inside ``workload``."""
    command = workload.namespace.command("iperf3", "--server", "--forceflush", "--port", str(port))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if "listening" in line:
                    break
            yield
        finally:
            process.kill()


def tcp_bits_per_s(
    client: Workload,
    server: Workload,
    *,
    seconds: float,
    omit: int = 0,
    reverse: bool = False,
    ipv6: bool = False,
) -> float:
    """TCP goodput as iperf3's receiver saw it."""
    address = server.ipv6 if ipv6 else server.ipv4
    options = ["--time", f"{seconds:g}", "--omit", str(omit), *(["--reverse"] if reverse else [])]
    report = _iperf3(client, server, address, options, seconds + omit)
    return float(report["end"]["sum_received"]["bits_per_second"])


class TcpFlow:
    """A TCP flow that is going on: one thread sends without end, another takes what comes.

    It is reno's, which fills the queue before the bottleneck. Cubic ends slow start where delay grows
    (HyStart): with 3 ms of packets waiting, each pause of the machine's is a loss of rate.
    """

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        source.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"reno")
        self._source, self._sink = source, sink
        self._times, self._octets = [time.monotonic()], [0]

    def rates(self, windows: int, window_s: float = 0.5) -> list[float]:
        """Bits a second of payload that came to the receiver, window by window from now on."""
        begin = time.monotonic()
        edges = begin + np.arange(windows + 1) * window_s
        time.sleep(windows * window_s)
        octets = np.interp(edges, self._times.copy(), self._octets.copy())
        rates: list[float] = (np.diff(octets) * 8 / window_s).tolist()
        return rates

    def send(self) -> None:
        chunk = bytes(1 << 18)
        with suppress(OSError):
            while True:
                self._source.sendall(chunk)

    def receive(self) -> None:
        buffer = bytearray(1 << 20)
        with suppress(OSError):
            while count := self._sink.recv_into(buffer):
                self._octets.append(self._octets[-1] + count)
                self._times.append(time.monotonic())

    def end(self) -> None:
        for one in (self._source, self._sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def tcp_flow(sender: Workload, receiver: Workload, *, ipv6: bool = False) -> Iterator[TcpFlow]:
    """A flow from one workload to another, for the length of the block."""
    family = socket.AF_INET6 if ipv6 else socket.AF_INET
    address = receiver.ipv6 if ipv6 else receiver.ipv4
    with (
        receiver.namespace.call(lambda: socket.create_server(("", PORT), family=family)) as listener,
        sender.namespace.call(lambda: socket.create_connection((address, PORT), timeout=5)) as source,
        listener.accept()[0] as sink,
        ThreadPoolExecutor(2) as threads,
    ):
        source.settimeout(None)
        flow = TcpFlow(source, sink)
        try:
            threads.submit(flow.send)
            threads.submit(flow.receive)
            yield flow
        finally:
            flow.end()


def _iperf3(
    client: Workload, server: Workload, address: str, options: list[str], seconds: float
) -> dict[str, Any]:
    with iperf3_server(server):
        command = ["iperf3", "--client", address, "--json", *options]
        result = client.namespace.run(*command, timeout=seconds + 20, check=False)
    report: dict[str, Any] = json.loads(result.stdout)
    if "error" in report:
        raise RuntimeError(f"iperf3 to {address}: {report['error']}")
    return report


def ping_ms(client: Workload, address: str, *, count: int, interval_s: float = 0.01) -> list[float]:
    """Round-trip times of the echo requests that were answered."""
    command = ["ping", "-c", str(count), "-i", f"{interval_s:g}", "-W", "1", address]
    output = client.namespace.run(*command, check=False, timeout=count * interval_s * 3 + 20).stdout
    return [float(value) for value in re.findall(r"time=([\d.]+) ms", output)]


def connects(client: Workload, server: Workload, port: int, *, timeout_s: float = 0.5) -> bool:
    """Whether a TCP connection from ``client`` to a listener on ``server`` comes about."""

    def listen() -> socket.socket:
        return socket.create_server((server.ipv4, port))

    def connect() -> bool:
        try:
            socket.create_connection((server.ipv4, port), timeout=timeout_s).close()
        except OSError:
            return False
        return True

    with server.namespace.call(listen):
        return client.namespace.call(connect)


def cpu_s(pid: int) -> float:
    """User and system time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def settle_neighbours(workloads: list[Workload]) -> None:
    """Permanent neighbour entries, so that no ARP or NDP takes part in what a seed decides."""
    for workload in workloads:
        lines = [
            f"neighbour replace {address} lladdr {other.mac} dev {workload.interface} nud permanent"
            for other in workloads
            if other is not workload
            for address in (other.ipv4, other.ipv6)
        ]
        workload.namespace.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")


def wait_until(condition: Callable[[], bool], *, timeout_s: float, what: str, every_s: float = 0.005) -> None:
    """Poll ``condition``.

    Raises:
        TimeoutError: it did not come true; says ``what`` was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s} s")
        time.sleep(every_s)
