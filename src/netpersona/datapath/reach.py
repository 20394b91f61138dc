"""Whether an address answers, asked once from where a workload is. Runs no program, and reads little.

The sockets are of the workload's namespace, so what is asked takes the way that its packets take.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import struct
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from netpersona.datapath.netlink import Rtnetlink, inside
from netpersona.kinds.probe import Address, Probe

ANSWER_BYTES = 4096
"""Of an HTTP answer; its status line is at its beginning."""
_ECHO = {4: (8, 0), 6: (128, 129)}
"""ICMP types of echo request and reply (RFC 792, RFC 4443 section 4)."""
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")
_NO_NAME = 16
"""Bytes of a ping that tell it from others'."""


class Unanswered(Exception):
    """No answer, or none that counts; says which."""


@dataclass(frozen=True)
class Origin:
    """From where something is asked: a namespace (None: ours) and the interface in it that is taken.

    `behind` is the host-side interface (ifindex) that must be on the way where the workload's own side
    cannot be entered, as of a virtual machine; 0: no need.
    """

    namespace: Path | None = None
    interface: str | None = None
    behind: int = 0


def reach(probe: Probe, origin: Origin, *, timeout_s: float) -> None:
    """Blocks until the answer, `timeout_s` at most. Raises Unanswered, DatapathError."""
    deadline = time.monotonic() + timeout_s
    with closing(_socket_of(probe, origin)) as asking:
        try:
            asking.settimeout(_left(deadline))
            asking.connect((str(probe.address), probe.port))
            if probe.sort == "ping":
                _ping(asking, probe.address, deadline)
            elif probe.sort == "http":
                _get(asking, probe, deadline)
        except TimeoutError as error:
            raise Unanswered(f"no answer within {timeout_s:g} s") from error
        except OSError as error:
            raise Unanswered(os.strerror(error.errno).lower() if error.errno else str(error)) from error


def _socket_of(probe: Probe, origin: Origin) -> socket.socket:
    def make(rtnetlink: Rtnetlink) -> socket.socket:
        if origin.behind:
            _require_on_the_way(rtnetlink, probe.address, origin.behind)
        made = _opened(probe)
        try:
            if origin.interface is not None:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, os.fsencode(origin.interface))
        except OSError as error:
            made.close()
            raise Unanswered(f"there is no interface {origin.interface}") from error
        return made

    return inside(origin.namespace, make)


def _opened(probe: Probe) -> socket.socket:
    family = socket.AF_INET if probe.address.version == 4 else socket.AF_INET6
    if probe.sort != "ping":
        return socket.socket(family, socket.SOCK_STREAM)
    protocol = socket.IPPROTO_ICMP if probe.address.version == 4 else socket.IPPROTO_ICMPV6
    try:
        return socket.socket(family, socket.SOCK_DGRAM, protocol)
    except PermissionError:  # net.ipv4.ping_group_range of the namespace, root or not
        return socket.socket(family, socket.SOCK_RAW, protocol)


def _require_on_the_way(rtnetlink: Rtnetlink, address: Address, ifindex: int) -> None:
    link = rtnetlink.link(ifindex=ifindex)
    ways = set(rtnetlink.way_to(str(address)))
    if link is None or not ways or not ways <= {ifindex, link.master}:
        name = link.name if link else "the interface"
        raise Unanswered(
            f"this workload can be asked from the host alone, which does not reach {address} by {name}:"
            " name an address of the workload itself"
        )


def _ping(asking: socket.socket, address: Address, deadline: float) -> None:
    request, reply = _ECHO[address.version]
    token = os.urandom(_NO_NAME)
    asking.send(_echo(request, token, checksummed=address.version == 4))
    while True:
        asking.settimeout(_left(deadline))
        answer = asking.recv(ANSWER_BYTES)
        if address.version == 4 and asking.type == socket.SOCK_RAW:
            answer = answer[(answer[0] & 15) * 4 :]  # RFC 791 section 3.1: IHL
        if answer[:1] == bytes([reply]) and answer.endswith(token):
            return


def _echo(kind: int, token: bytes, *, checksummed: bool) -> bytes:
    """The kernel counts the checksum of ICMPv6, whose pseudo-header it knows."""
    message = struct.pack("!BBHHH", kind, 0, 0, int.from_bytes(token[:2]), 1) + token
    if not checksummed:
        return message
    words: int = sum(struct.unpack(f"!{len(message) // 2}H", message))
    words = (words & 0xFFFF) + (words >> 16)
    checksum = ~(words + (words >> 16)) & 0xFFFF  # RFC 1071
    return message[:2] + checksum.to_bytes(2) + message[4:]


def _get(asking: socket.socket, probe: Probe, deadline: float) -> None:
    """2xx and 3xx count; a redirection is an answer, and is not followed."""
    host = f"[{probe.address}]" if probe.address.version == 6 else str(probe.address)
    lines = (f"GET {probe.target} HTTP/1.1", f"Host: {host}:{probe.port}", "Connection: close", "", "")
    asking.sendall("\r\n".join(lines).encode("ascii"))
    answer = b""
    while b"\n" not in answer and len(answer) < ANSWER_BYTES:
        asking.settimeout(_left(deadline))
        more = asking.recv(ANSWER_BYTES - len(answer))
        if not more:
            break
        answer += more
    status = _STATUS.match(answer)
    if status is None:
        raise Unanswered("the answer is not HTTP")
    if not 200 <= int(status[1]) < 400:
        raise Unanswered(f"HTTP status {int(status[1])}")


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))
    return left
