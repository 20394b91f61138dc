"""Interfaces that a persona could cut the operator off by."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from netpersona.datapath.endpoints import WORKLOAD_KINDS
from netpersona.datapath.netlink import Link, Rtnetlink, inside

_SSH_PORT = 22
_ESTABLISHED = "01"


class WaysIn:
    """By which interfaces an operator comes in, read once: one for each pass, not to be kept.

    Those that carry the default route, or the way to whoever is logged in by SSH.
    """

    def reason(self, interface: str) -> str | None:
        """Why attaching to `interface` could cut the operator off, to be read behind its name; else None.

        It is one of them, or the port of a bridge or the lower device of one. May raise DatapathError.
        """
        if not self._carriers:
            return None
        return inside(None, lambda rtnetlink: self._reason(rtnetlink.link(interface)))

    @cached_property
    def _carriers(self) -> list[tuple[Link, str]]:
        return inside(None, lambda rtnetlink: list(_carriers(rtnetlink)))

    def _reason(self, this: Link | None) -> str | None:
        if this is None:
            return None
        for carrier, reason in self._carriers:
            if carrier.ifindex == this.ifindex:
                return reason
            if _carries(this, carrier):
                return f"is part of {carrier.name}, which {reason}"
        return None


def _carries(lower: Link, upper: Link) -> bool:
    """A NIC under a bridge, bond or VLAN. Workloads' own ports of a bridge do not carry its uplink."""
    if lower.master == upper.ifindex:
        return lower.kind not in WORKLOAD_KINDS
    return upper.kind != "veth" and upper.peer == lower.ifindex and upper.peer_netnsid is None


def _carriers(rtnetlink: Rtnetlink) -> Iterator[tuple[Link, str]]:
    for ifindex, reason in dict.fromkeys(_critical(rtnetlink)):
        link = rtnetlink.link(ifindex=ifindex)
        if link is not None and link.name != "lo":
            yield link, reason


def _critical(rtnetlink: Rtnetlink) -> Iterator[tuple[int, str]]:
    for family in (socket.AF_INET, socket.AF_INET6):
        for ifindex in rtnetlink.default_routes(family):
            yield ifindex, "carries the default route"
    for peer in _logins():
        for ifindex in rtnetlink.way_to(peer):
            yield ifindex, f"carries the login from {peer}"


def _logins() -> list[str]:
    """Addresses that people are logged in from: our own session, and all of a server on port 22."""
    own = os.environ.get("SSH_CONNECTION", "").split(" ")[0]
    peers = {own} if own else set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/thread-self/net") / table
        if path.exists():
            peers |= set(ssh_peers(path.read_text()))
    return sorted(peers)


def ssh_peers(table: str) -> Iterator[str]:
    """Peers of established connections to port 22, from the text of /proc/net/tcp or tcp6."""
    for line in table.splitlines()[1:]:
        _, local, remote, state = line.split()[:4]
        if state == _ESTABLISHED and int(local.rpartition(":")[2], 16) == _SSH_PORT:
            yield _address(remote.rpartition(":")[0])


def _address(text: str) -> str:
    """The kernel prints addresses as 32-bit words in host order."""
    words = [int(text[at : at + 8], 16) for at in range(0, len(text), 8)]
    address = ipaddress.ip_address(b"".join(struct.pack("=I", word) for word in words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)
