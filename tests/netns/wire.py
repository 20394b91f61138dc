"""Frames made by hand between a workload and its peer, and whether they arrive.

The IP addresses in them belong to nobody, so that no stack answers. Whether a frame was dropped is known
without waiting: an ARP frame, which always passes, is sent behind it and arrives alone.
"""

from __future__ import annotations

import ipaddress
import itertools
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from lab.attached_host import AttachedHost
from lab.namespaces import Workload

from netpersona.datapath import Counters

ETH_P_ALL, ETH_P_IP, ETH_P_ARP, ETH_P_8021Q, ETH_P_IPV6 = 0x0003, 0x0800, 0x0806, 0x8100, 0x86DD
TCP, UDP, ICMP, ICMPV6, FRAGMENT = 6, 17, 1, 58, 44
FIN, SYN, RST, ACK = 1, 2, 4, 16

WORKLOAD = {4: "10.77.0.101", 6: "fd77::101"}
PEER = {4: "10.77.0.102", 6: "fd77::102"}

_serial = itertools.count(0x4E50_0000_0000_0000)


def marker() -> bytes:
    """Eight bytes that no other frame carries."""
    return next(_serial).to_bytes(8, "big")


def packed(address: str) -> bytes:
    return ipaddress.ip_address(address).packed


def checksum(data: bytes) -> int:
    """RFC 1071."""
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xFFFF) + (total >> 16)
    return ~(total + (total >> 16)) & 0xFFFF


def ipv4(
    source: str,
    destination: str,
    protocol: int,
    payload: bytes,
    *,
    number: int = 0,
    fragment: int = 0,
    tos: int = 0,
) -> bytes:
    """`fragment` is the flags and offset field."""
    addresses = packed(source) + packed(destination)

    def header(check: int) -> bytes:
        fields = (0x45, tos, 20 + len(payload), number, fragment, 64, protocol, check)
        return struct.pack("!BBHHHBBH", *fields) + addresses

    return header(checksum(header(0))) + payload


def ipv6(source: str, destination: str, protocol: int, payload: bytes, *, hop_limit: int = 64) -> bytes:
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, hop_limit)
    return head + packed(source) + packed(destination) + payload


def ip(family: int, source: str, destination: str, protocol: int, payload: bytes) -> bytes:
    return (ipv4 if family == 4 else ipv6)(source, destination, protocol, payload)


def udp(source: int, destination: int, data: bytes) -> bytes:
    return struct.pack("!HHHH", source, destination, 8 + len(data), 0) + data


def tcp(source: int, destination: int, flags: int, data: bytes) -> bytes:
    return struct.pack("!HHIIBBHHH", source, destination, 1, 1, 5 << 4, flags, 1000, 0, 0) + data


def echo(family: int, identifier: int, data: bytes, *, reply: bool = False) -> bytes:
    kind = (0 if reply else 8) if family == 4 else (129 if reply else 128)
    return struct.pack("!BBHHH", kind, 0, 0, identifier, 1) + data


class Tap:
    """A raw socket on the interface of a workload."""

    def __init__(self, workload: Workload) -> None:
        self.mac = bytes.fromhex(workload.mac.replace(":", ""))
        self.socket = workload.namespace.call(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))
        self.socket.bind((workload.interface, ETH_P_ALL))
        self.socket.settimeout(5)

    def close(self) -> None:
        self.socket.close()

    def receive(self, *markers: bytes) -> bytes:
        """The next frame from outside that carries one of the markers."""
        while True:
            frame, address = self.socket.recvfrom(65535)
            if address[2] != socket.PACKET_OUTGOING and any(mark in frame for mark in markers):
                return frame

    def drain(self) -> None:
        """Forget what came so far: a receive buffer that is full takes nothing new."""
        patience_s = self.socket.gettimeout()
        self.socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                self.socket.recv(1)
        self.socket.settimeout(patience_s)


@dataclass
class Wire:
    """Both ends, and the data path between them."""

    host: AttachedHost
    workload: Tap
    peer: Tap

    def put_on(self, persona: Mapping[str, Any], **lease: int) -> int:
        return self.host.put_on(persona, None, **lease)

    def counters(self, direction: str) -> Counters:
        observed = self.host.datapath.observe(self.host.attachments[self.host.subject.host_interface])
        counters: Counters = getattr(observed, direction)
        return counters

    def sends(self, packet: bytes, mark: bytes, *, vlan: bytes = b"") -> bytes | None:
        """The workload sends an IP packet; as the peer got it, None if it did not."""
        return self.carry(self.workload, self.peer, _typed(packet, vlan), mark)

    def gets(self, packet: bytes, mark: bytes, *, vlan: bytes = b"") -> bytes | None:
        """The peer sends an IP packet; as the workload got it, None if it did not."""
        return self.carry(self.peer, self.workload, _typed(packet, vlan), mark)

    def drain(self) -> None:
        for tap in (self.workload, self.peer):
            tap.drain()

    @staticmethod
    def carry(sender: Tap, receiver: Tap, typed: bytes, mark: bytes) -> bytes | None:
        last = marker()
        macs = receiver.mac + sender.mac
        sender.socket.send(macs + typed)
        sender.socket.send(macs + ETH_P_ARP.to_bytes(2, "big") + last.ljust(46, b"\0"))
        frame = receiver.receive(mark, last)
        if last in frame:
            return None
        receiver.receive(last)
        return frame


def _typed(packet: bytes, vlan: bytes) -> bytes:
    kind = ETH_P_IP if packet[0] >> 4 == 4 else ETH_P_IPV6
    return vlan + kind.to_bytes(2, "big") + packet


class Flow:
    """Packets of one flow, each with a marker of its own."""

    def __init__(self, wire: Wire, protocol: str, family: int, *, workload_port: int, peer_port: int) -> None:
        self.wire, self.protocol, self.family = wire, protocol, family
        self.workload_port, self.peer_port = workload_port, peer_port

    def sends(self, flags: int = ACK, *, reply: bool = False) -> bool:
        mark = marker()
        body = self._body(self.workload_port, self.peer_port, flags, mark, reply)
        return self.wire.sends(self._packet(WORKLOAD, PEER, body), mark) is not None

    def gets(self, flags: int = ACK, *, reply: bool = False) -> bool:
        mark = marker()
        body = self._body(self.peer_port, self.workload_port, flags, mark, reply)
        return self.wire.gets(self._packet(PEER, WORKLOAD, body), mark) is not None

    def _packet(self, source: Mapping[int, str], destination: Mapping[int, str], body: bytes) -> bytes:
        numbers = {"tcp": TCP, "udp": UDP, "icmp": ICMP if self.family == 4 else ICMPV6}
        return ip(self.family, source[self.family], destination[self.family], numbers[self.protocol], body)

    def _body(self, source: int, destination: int, flags: int, mark: bytes, reply: bool) -> bytes:
        if self.protocol == "tcp":
            return tcp(source, destination, flags, mark)
        if self.protocol == "udp":
            return udp(source, destination, mark)
        return echo(self.family, self.peer_port, mark, reply=reply)
