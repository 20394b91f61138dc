"""Interfaces that a persona could cut the operator off by."""

from __future__ import annotations

import ipaddress
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from netpersona.datapath.endpoints import WORKLOAD_KINDS
from netpersona.datapath.netlink import Link, inside, links

_SSH_PORT = 22
_ESTABLISHED = "01"


def management_reason(interface: str) -> str | None:
    """Why attaching to `interface` could cut the operator off, to be read behind its name; else None.

    It carries the default route, or the way to whoever is logged in by SSH: itself, or as the port of
    a bridge or the lower device of what does. Blocks on netlink for milliseconds.
    """
    return inside(None, lambda ip: _reason(ip, interface))


def _reason(ip: IPRoute, interface: str) -> str | None:
    by_index = {entry.ifindex: entry for entry in links(ip)}
    this = next((entry for entry in by_index.values() if entry.name == interface), None)
    if this is None:
        return None
    for ifindex, reason in _critical(ip):
        carrier = by_index.get(ifindex)
        if carrier is None or carrier.name == "lo":
            continue
        if carrier == this:
            return reason
        if _carries(this, carrier):
            return f"is part of {carrier.name}, which {reason}"
    return None


def _carries(lower: Link, upper: Link) -> bool:
    """A NIC under a bridge, bond or VLAN. Workloads' own ports of a bridge do not carry its uplink."""
    if lower.master == upper.ifindex:
        return lower.kind not in WORKLOAD_KINDS
    return upper.kind != "veth" and upper.peer == lower.ifindex and upper.peer_netnsid is None


def _critical(ip: IPRoute) -> Iterator[tuple[int, str]]:
    for family in (socket.AF_INET, socket.AF_INET6):
        for route in ip.get_default_routes(family=family):
            for ifindex in _outputs(route):
                yield ifindex, "carries the default route"
    for peer in _logins():
        for ifindex in _way_to(ip, peer):
            yield ifindex, f"carries the login from {peer}"


def _outputs(route: object) -> Iterable[int]:
    """Interfaces of a route; several for a multipath route."""
    get = route.get_attr  # type: ignore[attr-defined]
    hops = get("RTA_MULTIPATH")
    return [hop["oif"] for hop in hops] if hops else [oif] if (oif := get("RTA_OIF")) else []


def _way_to(ip: IPRoute, peer: str) -> Iterable[int]:
    try:
        routes = ip.route("get", dst=peer)
    except NetlinkError:
        return []
    return [ifindex for route in routes for ifindex in _outputs(route)]


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
