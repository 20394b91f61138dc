"""Questions to rtnetlink (rtnetlink(7)), asked from the namespace that they are about.

By hand: a pass asks of hundreds of interfaces, and a library that makes an object of each attribute of each
answer keeps the interpreter from everything else for a millisecond a question.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from pyroute2 import netns

from netpersona.datapath.errors import EndpointMissing, refusals
from netpersona.datapath.messages import (
    DONE,
    DUMP,
    DUMP_INTERRUPTED,
    ERROR,
    HEADER,
    REQUEST,
    aligned,
    attribute,
    attributes,
    integer,
    messages,
    refuse,
)

T = TypeVar("T")

_RECEIVED = 1 << 16
"""Bytes of a read; the kernel fills no more than half of it with a dump (NLMSG_GOODSIZE, af_netlink.c)."""
_SOL_NETLINK, _GET_STRICT_CHK = 270, 12
_GETLINK, _GETROUTE, _GETNSID = 18, 26, 90
_LINK = struct.Struct("=BxHiII")  # ifinfomsg: family, type, index, flags, change
_ROUTE = struct.Struct("=8BI")  # rtmsg: family, dst_len, src_len, tos, table, protocol, scope, type, flags
_NEXTHOP = struct.Struct("=HBBi")  # rtnexthop: length, flags, hops, index
_IFLA_IFNAME, _IFLA_LINK, _IFLA_MASTER, _IFLA_LINKINFO = 3, 5, 10, 18
_IFLA_EXT_MASK, _IFLA_LINK_NETNSID, _IFLA_INFO_KIND = 29, 37, 1
_SKIP_STATS = 1 << 3  # RTEXT_FILTER_SKIP_STATS
_RTA_DST, _RTA_OIF, _RTA_MULTIPATH = 1, 4, 9
_MAIN = 254  # RT_TABLE_MAIN
_NETNSA_NSID, _NETNSA_FD = 1, 3
_ATTEMPTS = 8
"""At a dump of what others change at the same time."""
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL)  # and prohibit, blackhole
_NO_SUCH_LINK = (
    errno.ENODEV,
    errno.EINVAL,
    errno.ERANGE,
)  # the latter two: names and numbers that none can have


@dataclass(frozen=True)
class Link:
    """An interface as rtnetlink describes it. `kind` is None for physical ones, `peer` is IFLA_LINK."""

    name: str
    ifindex: int
    kind: str | None
    peer: int | None
    peer_netnsid: int | None
    master: int | None


class Rtnetlink:
    """A socket of the namespace of the thread that makes it. All raise OSError with what the kernel says."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        # So that a dump holds no other tables' routes (Linux 4.20; without it they are told apart here).
        self._socket.setsockopt(_SOL_NETLINK, _GET_STRICT_CHK, 1)

    def __enter__(self) -> Rtnetlink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.close()

    def link(self, name: str | None = None, ifindex: int = 0) -> Link | None:
        """One interface, None if there is none."""
        asked = attribute(_IFLA_EXT_MASK, struct.pack("=I", _SKIP_STATS))
        if name is not None:
            asked += attribute(_IFLA_IFNAME, os.fsencode(name) + b"\0")
        with _none_if(*_NO_SUCH_LINK):
            (answer,) = self._ask(_GETLINK, _LINK.pack(0, 0, ifindex, 0, 0) + asked)
            return _link(answer)
        return None

    def default_routes(self, family: int) -> list[int]:
        """Interfaces that default routes of the main table leave by."""
        for _ in range(_ATTEMPTS - 1):
            with suppress(InterruptedError):
                return list(self._default_routes(family))
        return list(self._default_routes(family))

    def _default_routes(self, family: int) -> Iterator[int]:
        body = _ROUTE.pack(family, 0, 0, 0, _MAIN, 0, 0, 0, 0)
        with _none_if(errno.ENOENT):  # no such table yet: no route was ever made
            for answer in self._ask(_GETROUTE, body, DUMP):
                if answer[1] == 0 and answer[4] == _MAIN:
                    yield from _outputs(attributes(answer, _ROUTE.size))

    def way_to(self, address: str) -> list[int]:
        """Interfaces that packets to an address leave by; none if there is no way."""
        there = ipaddress.ip_address(address)
        family = socket.AF_INET if there.version == 4 else socket.AF_INET6
        body = _ROUTE.pack(family, there.max_prefixlen, 0, 0, 0, 0, 0, 0, 0)
        ways: list[int] = []
        with _none_if(*_NO_WAY):
            for answer in self._ask(_GETROUTE, body + attribute(_RTA_DST, there.packed)):
                ways += _outputs(attributes(answer, _ROUTE.size))
        return ways

    def netnsid(self, namespace: int) -> int:
        """The number by which this namespace knows another, of which that is a descriptor; -1: by none."""
        (answer,) = self._ask(_GETNSID, bytes(4) + attribute(_NETNSA_FD, struct.pack("=I", namespace)))
        found = integer(attributes(answer, 4), _NETNSA_NSID)
        return -1 if found is None else found

    def _ask(self, kind: int, body: bytes, flags: int = 0) -> Iterator[bytes]:
        """Bodies of the answers, one unless it is a dump; to be read to the end before another question."""
        self._socket.send(HEADER.pack(HEADER.size + len(body), kind, REQUEST | flags, 0, 0) + body)
        going, changed = True, False
        while going:
            for answered, marks, content in messages(self._socket.recv(_RECEIVED)):
                if answered in (ERROR, DONE):
                    refuse(content)
                else:
                    yield content
                changed |= bool(marks & DUMP_INTERRUPTED)
                going = bool(flags & DUMP) and answered != DONE
        if changed:
            raise InterruptedError(errno.EINTR, "what was asked for changed meanwhile")


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


def inside(namespace: Path | None, function: Callable[[Rtnetlink], T]) -> T:
    """`function` with a netlink socket of a namespace, None: the caller's. The caller stays where it is.

    Raises EndpointMissing, DatapathError.
    """

    def ask() -> T:
        if namespace is not None:
            _enter(namespace)
        with Rtnetlink() as rtnetlink:
            return function(rtnetlink)

    where = namespace or "this network namespace"
    with refusals(f"ask netlink in {where}"):
        if namespace is None:
            return ask()
        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(ask).result()


def _enter(namespace: Path) -> None:
    try:
        netns.setns(str(namespace), flags=0)  # by default it makes one that is not there
    except (FileNotFoundError, NotADirectoryError) as error:
        raise EndpointMissing(f"there is no network namespace {namespace}") from error


def _link(message: bytes) -> Link:
    found = attributes(message, _LINK.size)
    kind = attributes(found.get(_IFLA_LINKINFO, b"")).get(_IFLA_INFO_KIND)
    return Link(
        name=os.fsdecode(found[_IFLA_IFNAME].rstrip(b"\0")),
        ifindex=_LINK.unpack_from(message)[2],
        kind=kind.rstrip(b"\0").decode() if kind is not None else None,
        peer=integer(found, _IFLA_LINK),
        peer_netnsid=integer(found, _IFLA_LINK_NETNSID),
        master=integer(found, _IFLA_MASTER),
    )


def _outputs(found: Mapping[int, bytes]) -> Iterator[int]:
    """Interfaces of a route; several for a multipath route."""
    hops, at = found.get(_RTA_MULTIPATH, b""), 0
    while at < len(hops):
        length, _, _, ifindex = _NEXTHOP.unpack_from(hops, at)
        yield ifindex
        at += aligned(length)
    ifindex = integer(found, _RTA_OIF)
    if not hops and ifindex is not None:
        yield ifindex


@contextmanager
def _none_if(*codes: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in codes:
            raise
