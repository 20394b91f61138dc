"""The interfaces of our own: the detour TAP and the probe pair."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from pathlib import Path

from pyroute2 import IPRoute

from netpersona.datapath.errors import KernelRefused, refusals

PROBE_SEND = "np-probe"
"""Probes are written here …"""
PROBE_INJECT = "np-probe-in"
"""… and injected from here by np_probe."""

TAP_PACKETS = 16384
"""Packets that the TAP's ring holds while the engine is busy; beyond, they are lost and counted."""

_IFALIAS_BYTES = 255  # include/uapi/linux/if.h, IFALIASZ, less the NUL
_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TAP, _IFF_NO_PI, _IFF_VNET_HDR = 0x0002, 0x1000, 0x4000


def ifindex_of(interface: str) -> int:
    """0 if there is none."""
    try:
        return socket.if_nametoindex(interface)
    except OSError:
        return 0


def name_of(ifindex: int) -> str | None:
    try:
        return socket.if_indextoname(ifindex)
    except OSError:
        return None


def ensure_tap(name: str, owner: str) -> int:
    """The persistent TAP that packets take to the engine and back; answers its ifindex. Idempotent.

    Raises:
        KernelRefused: another program, or a netpersona of another `owner`, has an interface of this name.
    """
    with refusals(f"create the TAP {name}"), IPRoute() as ip:
        if not ifindex_of(name):
            _make_tap(ip, name, owner)
        ifindex = _own(ip, name, owner)
        _silence(name)
        ip.link("set", index=ifindex, txqlen=TAP_PACKETS, state="up")
    return ifindex


def ensure_probe_pair(owner: str) -> int:
    """The veth pair that probes come in by; answers the ifindex of the injecting end. Idempotent.

    Raises:
        KernelRefused: as `ensure_tap`.
    """
    with refusals("create the probe interfaces"), IPRoute() as ip:
        if not ifindex_of(PROBE_SEND):
            ip.link("add", ifname=PROBE_SEND, kind="veth", peer={"ifname": PROBE_INJECT})
            ip.link("set", index=ifindex_of(PROBE_SEND), ifalias=_alias(owner))
        _own(ip, PROBE_SEND, owner)
        for name in (PROBE_SEND, PROBE_INJECT):
            _silence(name)
            ip.link("set", index=ifindex_of(name), state="up")
    return ifindex_of(PROBE_INJECT)


def remove(name: str, owner: str) -> None:
    """Idempotent; leaves an interface of somebody else alone."""
    ifindex = ifindex_of(name)
    if ifindex:
        with refusals(f"remove {name}"), IPRoute() as ip:
            if _alias_of(ip, ifindex) == _alias(owner):
                ip.link("del", index=ifindex)


def _own(ip: IPRoute, name: str, owner: str) -> int:
    """The ifindex of an interface that we made; its alias (IFLA_IFALIAS) says so."""
    ifindex = ifindex_of(name)
    found = _alias_of(ip, ifindex)
    if found != _alias(owner):
        whose = f"belongs to {found}" if found else "is not ours"
        raise KernelRefused(
            f"there is an interface {name} already and it {whose}; "
            f"remove it (`ip link del {name}`), or run netpersona in another network namespace"
        )
    return ifindex


def _alias(owner: str) -> str:
    return f"netpersona {owner}"[:_IFALIAS_BYTES]


def _alias_of(ip: IPRoute, ifindex: int) -> str | None:
    alias: str | None = next(iter(ip.link("get", index=ifindex))).get_attr("IFLA_IFALIAS")
    return alias


def _silence(name: str) -> None:
    """No address of its own, so that the host sends nothing there."""
    switch = Path("/proc/sys/net/ipv6/conf") / name / "disable_ipv6"
    if switch.exists():
        switch.write_text("1")


def _make_tap(ip: IPRoute, name: str, owner: str) -> None:
    """Persistent only once it says whose it is: killed in between, nothing stays."""
    # The engine opens it with a virtio-net header; the flags must be the same there (TUNSETIFF).
    request = struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(tun, _TUNSETIFF, request)
        ip.link("set", index=ifindex_of(name), ifalias=_alias(owner))
        fcntl.ioctl(tun, _TUNSETPERSIST, 1)
    finally:
        os.close(tun)
