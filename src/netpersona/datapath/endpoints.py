"""Finds where a workload meets the host: the interface of this namespace that its traffic passes."""

from __future__ import annotations

import socket
from pathlib import Path

from netpersona.datapath.errors import EndpointMissing, EndpointUnsupported
from netpersona.datapath.netlink import Link, Rtnetlink, inside, netns_path
from netpersona.datapath.types import Endpoint, Facing

MAX_INNER_LINKS = 64
"""Interfaces of a container that are looked through for the one with a host side."""
WORKLOAD_KINDS = frozenset({"veth", "tun"})
"""Kinds of interface with a workload behind them: pairs, and TUN/TAP devices of virtual machines."""


def find_attachment(netns: str | None = None, *, interface: str) -> Endpoint:
    """The host-side interface of `interface`, which is in namespace `netns` (None: in this one).

    Blocks on netlink, for as long as somebody else changes links.

    Raises:
        EndpointMissing: no such namespace or interface.
        EndpointUnsupported: not a veth, or its peer is in a third namespace.
    """
    if netns is None:
        return _of_this_namespace(interface)
    return _behind_veth(netns, netns_path(netns), interface)


def find_behind(namespace: Path, interface: str | None, whose: str) -> Endpoint:
    """The host-side interface of a container; `whose` names it in errors.

    Without `interface` the only one that has its other end here, or `eth0` of several. What is in there
    is named by the container, but which veth is whose other end is the kernel's word.

    Raises:
        EndpointMissing: no such interface, or none with a host side.
        EndpointUnsupported: several, or the one asked for has its other end elsewhere.
    """
    names = [interface] if interface is not None else inside(namespace, lambda _: _interfaces())
    if len(names) > MAX_INNER_LINKS:
        raise EndpointUnsupported(f"{whose} has {len(names)} interfaces; name one with --interface")
    links = inside(namespace, lambda rtnetlink: [rtnetlink.link(name) for name in names])
    inner = [entry for entry in links if entry is not None and entry.kind == "veth" and entry.peer]
    found = inside(
        None, lambda rtnetlink: {e.name: peer for e in inner if (peer := _peer(rtnetlink, namespace, e))}
    )
    name = _one_of(sorted(found), whose)
    if name is None:
        asked = f"no veth {interface} with a host side" if interface else "no veth with a host side"
        raise EndpointMissing(f"{whose} has {asked} in the agent's network namespace")
    return Endpoint(found[name].name, found[name].ifindex, Facing.WORKLOAD)


def _one_of(names: list[str], whose: str) -> str | None:
    if len(names) > 1 and "eth0" not in names:
        raise EndpointUnsupported(
            f"{whose} has several interfaces; name one of {', '.join(names)} with --interface"
        )
    return "eth0" if "eth0" in names else next(iter(names), None)


def find_tap(interface: str, ifindex: int, whose: str) -> Endpoint:
    """The TAP of a virtual machine, if it is still the one that had this index.

    Raises:
        EndpointMissing: it is gone; the name may be another machine's by now.
        EndpointUnsupported: not a TAP.
    """
    found = inside(None, lambda rtnetlink: rtnetlink.link(interface))
    if found is None or found.ifindex != ifindex:
        raise EndpointMissing(f"the interface {interface} of {whose} is gone")
    if found.kind not in WORKLOAD_KINDS:
        raise EndpointUnsupported(
            f"{interface} of {whose} is no TAP but {found.kind or 'a physical interface'}"
        )
    return Endpoint(found.name, found.ifindex, Facing.WORKLOAD)


def _interfaces() -> list[str]:
    """Of the calling thread's namespace. By libc: a container may have thousands."""
    return [name for _, name in socket.if_nameindex()]


def _of_this_namespace(interface: str) -> Endpoint:
    found = inside(None, lambda rtnetlink: rtnetlink.link(interface))
    if found is None:
        raise EndpointMissing(f"no interface {interface} here; `ip link` lists those there are")
    facing = Facing.WORKLOAD if found.kind in WORKLOAD_KINDS else Facing.NETWORK
    return Endpoint(found.name, found.ifindex, facing)


def _behind_veth(netns: str, path: Path, interface: str) -> Endpoint:
    found = inside(path, lambda rtnetlink: rtnetlink.link(interface))
    if found is None:
        raise EndpointMissing(
            f"no interface {interface} in {netns}; `ip -n {netns} link` lists those there are"
        )
    if found.kind != "veth" or found.peer is None:
        raise EndpointUnsupported(
            f"{interface} in {netns} is not a veth but {found.kind or 'a physical interface'}; "
            f"name the host-side interface instead, without --netns"
        )
    peer = inside(None, lambda rtnetlink: _peer(rtnetlink, path, found))
    if peer is None:
        raise EndpointUnsupported(
            f"the other end of {interface} in {netns} is not in the agent's network namespace; "
            f"run the agent in the namespace that holds it, or name an interface that is here"
        )
    return Endpoint(peer.name, peer.ifindex, Facing.WORKLOAD)


def _peer(rtnetlink: Rtnetlink, path: Path, inner: Link) -> Link | None:
    """The link here that says of itself that `inner`, in the namespace at `path`, is its other end."""
    candidate = rtnetlink.link(ifindex=inner.peer or 0)
    if candidate is None or candidate.kind != "veth" or candidate.peer != inner.ifindex:
        return None
    if candidate.peer_netnsid is None:
        return candidate if _is_this_namespace(path) else None
    return candidate if candidate.peer_netnsid == _netnsid(rtnetlink, path) else None


def _is_this_namespace(path: Path) -> bool:
    return path.stat().st_ino == Path("/proc/thread-self/ns/net").stat().st_ino


def _netnsid(rtnetlink: Rtnetlink, path: Path) -> int:
    """The number by which this namespace knows the one at `path`."""
    with path.open("rb") as namespace:
        return rtnetlink.netnsid(namespace.fileno())
