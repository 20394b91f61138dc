"""Numbered, time-stamped UDP datagrams: what was sent, what arrived, when, and how it was marked.

Departure is read by the sender just before ``sendto``; arrival is the kernel's receive time stamp
(``SO_TIMESTAMPNS``), so a late wake-up of the receiver does not count as delay. Both are CLOCK_REALTIME
nanoseconds of one machine.
"""

from __future__ import annotations

import math
import multiprocessing
import socket
import struct
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

PAYLOAD = struct.Struct("<4sIQQ")  # magic, flow, sequence, sent_ns
MAGIC = b"npLB"
RECORD = np.dtype([("sequence", "<u8"), ("sent_ns", "<u8"), ("received_ns", "<u8"), ("tos", "<u8")])
Records = NDArray[Any]

SO_TIMESTAMPNS = 35  # linux/socket.h; not in Python's socket module
SO_RCVBUFFORCE = 33
SO_SNDBUFFORCE = 32
UDP_SEGMENT = 103  # linux/udp.h
BUFFER_BYTES = 64 << 20
STRAGGLER_S = 0.4  # how long a receiver waits after the last datagram was sent, or came


@dataclass(frozen=True)
class Flow:
    """One stream of datagrams. The sockets were made inside the namespaces they belong to."""

    sender: socket.socket
    receiver: socket.socket
    destination: tuple[str, int]
    count: int
    interval_s: float  # between bursts
    burst: int = 1
    size: int = 128  # bytes of UDP payload
    flow: int = 0
    segment: int = 0  # bytes; a burst leaves as one UDP GSO packet cut to this (UDP_SEGMENT)

    @property
    def duration_s(self) -> float:
        return self.count / self.burst * self.interval_s


def udp_socket(family: int = socket.AF_INET) -> socket.socket:
    """A UDP socket of the calling thread's network namespace that reports arrival times and marks."""
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES)
    sock.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVTCLASS, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
    return sock


def exchange(flows: list[Flow], *, straggler_s: float = STRAGGLER_S) -> list[Records]:
    """Send every flow at once; return, per flow, what arrived in the order of arrival."""
    running = start(flows, straggler_s=straggler_s)
    return running.collect()


@dataclass
class Running:
    """Flows under way in processes of their own."""

    processes: list[multiprocessing.process.BaseProcess]
    results: list[Connection]

    def collect(self) -> list[Records]:
        """Wait until every flow has ended."""
        records = [np.frombuffer(result.recv_bytes(), dtype=RECORD) for result in self.results]
        for process in self.processes:
            process.join()
        return records

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


def start(flows: list[Flow], *, straggler_s: float = STRAGGLER_S) -> Running:
    """Begin every flow; the caller collects."""
    context = multiprocessing.get_context("fork")
    processes: list[multiprocessing.process.BaseProcess] = []
    results = []
    ends = context.Array("d", [math.inf] * len(flows))
    for number, flow in enumerate(flows):
        ours, theirs = context.Pipe(duplex=False)
        ready = context.Event()
        arguments = (flow, theirs, ready, ends, straggler_s)
        receiver = context.Process(target=_receive, args=arguments, daemon=True)
        receiver.start()
        sender = context.Process(target=_send, args=(flow, ready, ends, number), daemon=True)
        sender.start()
        flow.receiver.close()  # the processes have their own
        flow.sender.close()
        processes += [receiver, sender]
        results.append(ours)
    return Running(processes, results)


def _send(flow: Flow, ready: Any, ends: Any, own: int) -> None:
    ready.wait()
    try:
        _send_all(flow)
    finally:
        ends[own] = time.monotonic()


def _send_all(flow: Flow) -> None:
    padding = bytes(flow.size - PAYLOAD.size)
    if flow.segment:
        flow.sender.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, flow.segment)
    start_s = time.monotonic()
    sequence = 0
    while sequence < flow.count:
        numbers = range(sequence, min(sequence + flow.burst, flow.count))
        datagrams = (PAYLOAD.pack(MAGIC, flow.flow, number, time.time_ns()) + padding for number in numbers)
        for data in [b"".join(datagrams)] if flow.segment else datagrams:
            flow.sender.sendto(data, flow.destination)
        sequence = numbers.stop
        wait_s = start_s + sequence / flow.burst * flow.interval_s - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)


def _receive(flow: Flow, result: Connection, ready: Any, ends: Any, straggler_s: float) -> None:
    """Until nothing has come for `straggler_s` and every flow has ended: one may hold up another."""
    records = bytearray()
    flow.receiver.settimeout(straggler_s / 8)
    heard_s = time.monotonic()
    give_up_s = heard_s + flow.duration_s * 3 + straggler_s + 5
    ready.set()
    while time.monotonic() < give_up_s:
        try:
            data, ancillary, _, _ = flow.receiver.recvmsg(2048, 128)
        except TimeoutError:
            if time.monotonic() - max(heard_s, *ends) >= straggler_s:
                break
            continue
        heard_s = time.monotonic()
        if len(data) < PAYLOAD.size or data[:4] != MAGIC:
            continue
        _, number, sequence, sent_ns = PAYLOAD.unpack_from(data)
        if number == flow.flow:
            received_ns, tos = marks(ancillary)
            records += struct.pack("<QQQQ", sequence, sent_ns, received_ns, tos)
    result.send_bytes(bytes(records))


def marks(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, int]:
    """When the kernel received a datagram, in nanoseconds, and its TOS or traffic class."""
    received_ns = tos = 0
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS:
            seconds, nanoseconds = struct.unpack("<qq", data)
            received_ns = seconds * 1_000_000_000 + nanoseconds
        elif level == socket.IPPROTO_IP and kind == socket.IP_TOS:
            tos = data[0]
        elif level == socket.IPPROTO_IPV6 and kind == socket.IPV6_TCLASS:
            (tos,) = struct.unpack("<i", data)
    return received_ns, tos


def delays_ms(records: Records) -> NDArray[np.float64]:
    """One-way delay of each datagram that arrived, in milliseconds."""
    difference = records["received_ns"].astype(np.int64) - records["sent_ns"].astype(np.int64)
    return difference.astype(np.float64) / 1e6


def reordered(records: Records) -> int:
    """How many datagrams arrived after one that was sent later (RFC 4737, type-P-reordered)."""
    sequence = records["sequence"].astype(np.int64)
    return int(np.count_nonzero(sequence < np.maximum.accumulate(sequence))) if sequence.size else 0


def missing(records: Records, count: int) -> int:
    """How many of ``count`` datagrams never arrived."""
    return count - int(np.unique(records["sequence"]).size)
