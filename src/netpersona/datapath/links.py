"""The interfaces of our own: the detour TAP and the probe pair."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from pathlib import Path

from pyroute2 import IPRoute

from netpersona.datapath.errors import refusals

PROBE_SEND = "np-probe"
"""Probes are written here …"""
PROBE_INJECT = "np-probe-in"
"""… and injected from here by np_probe."""

TAP_PACKETS = 16384
"""Packets that the TAP's ring holds while the engine is busy; beyond, they are lost and counted."""

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


def ensure_tap(name: str) -> int:
    """The persistent TAP that packets take to the engine and back; answers its ifindex. Idempotent."""
    with refusals(f"create the TAP {name}"), IPRoute() as ip:
        if not ifindex_of(name):
            _make_tap(name)
        ifindex = ifindex_of(name)
        _silence(name)
        ip.link("set", index=ifindex, txqlen=TAP_PACKETS, state="up")
    return ifindex


def ensure_probe_pair() -> int:
    """The veth pair that probes come in by; answers the ifindex of the injecting end. Idempotent."""
    with refusals("create the probe interfaces"), IPRoute() as ip:
        if not ifindex_of(PROBE_SEND):
            ip.link("add", ifname=PROBE_SEND, kind="veth", peer={"ifname": PROBE_INJECT})
        for name in (PROBE_SEND, PROBE_INJECT):
            _silence(name)
            ip.link("set", index=ifindex_of(name), state="up")
    return ifindex_of(PROBE_INJECT)


def remove(name: str) -> None:
    """Idempotent."""
    ifindex = ifindex_of(name)
    if ifindex:
        with refusals(f"remove {name}"), IPRoute() as ip:
            ip.link("del", index=ifindex)


def _silence(name: str) -> None:
    """No address of its own, so that the host sends nothing there."""
    switch = Path("/proc/sys/net/ipv6/conf") / name / "disable_ipv6"
    if switch.exists():
        switch.write_text("1")


def _make_tap(name: str) -> None:
    # The engine opens it with a virtio-net header; the flags must be the same there (TUNSETIFF).
    request = struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(tun, _TUNSETIFF, request)
        fcntl.ioctl(tun, _TUNSETPERSIST, 1)
    finally:
        os.close(tun)
