"""Short questions to rtnetlink, asked from the namespace that they are about. Off the fast path."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pyroute2 import IPRoute, netns
from pyroute2.netlink.exceptions import NetlinkError

from netpersona.datapath.errors import EndpointMissing, refusals

T = TypeVar("T")


@dataclass(frozen=True)
class Link:
    """An interface as rtnetlink describes it. `kind` is None for physical ones, `peer` is IFLA_LINK."""

    name: str
    ifindex: int
    kind: str | None
    peer: int | None
    peer_netnsid: int | None
    master: int | None


def netns_path(name: str) -> Path:
    """Of a name as `ip netns` has it, or of a path such as /proc/PID/ns/net.

    Raises:
        EndpointMissing: there is none.
    """
    path = Path(name) if "/" in name else Path("/run/netns") / name
    # Opening another kind of file could block (a FIFO) or have effects; nsfs is one device.
    if not path.exists() or path.stat().st_dev != Path("/proc/self/ns/net").stat().st_dev:
        raise EndpointMissing(f"no network namespace {name}; `ip netns list` shows those with a name")
    return path


def inside(namespace: Path | None, function: Callable[[IPRoute], T]) -> T:
    """`function` with a netlink socket of a namespace, None: the caller's. The caller stays where it is."""

    def ask() -> T:
        if namespace is not None:
            netns.setns(str(namespace))
        with IPRoute() as ip:
            return function(ip)

    where = namespace or "this network namespace"
    with refusals(f"ask netlink in {where}"):
        if namespace is None:
            return ask()
        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(ask).result()


def link(ip: IPRoute, name: str | None = None, ifindex: int = 0) -> Link | None:
    """One interface, None if there is none."""
    try:
        found = ip.link("get", ifname=name) if name is not None else ip.link("get", index=ifindex)
    except NetlinkError:
        return None
    return describe(next(iter(found)))


def links(ip: IPRoute) -> list[Link]:
    return [describe(message) for message in ip.link("dump")]


def describe(message: Any) -> Link:
    info = message.get_attr("IFLA_LINKINFO")
    return Link(
        name=message.get_attr("IFLA_IFNAME"),
        ifindex=message["index"],
        kind=info.get_attr("IFLA_INFO_KIND") if info else None,
        peer=message.get_attr("IFLA_LINK"),
        peer_netnsid=message.get_attr("IFLA_LINK_NETNSID"),
        master=message.get_attr("IFLA_MASTER"),
    )
