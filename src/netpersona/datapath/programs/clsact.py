"""clsact qdiscs that we made, for kernels without tcx: remembered, and removed only if nobody else uses them.

A directory `clsact_<ifindex>` on our bpffs (which holds no files) says that the qdisc is ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from netpersona.datapath.errors import refusals
from netpersona.datapath.links import name_of

_CLSACT = 0xFFFFFFF1
_INGRESS, _EGRESS = 0xFFFFFFF2, 0xFFFFFFF3
_HANDLE = _PRIORITY = 0x4E50
"""Of our filters; engine/programs/src/attach.rs sets them."""


def claim(pins: Path, ifindex: int) -> None:
    (pins / f"clsact_{ifindex}").mkdir(exist_ok=True)


def claimed(pins: Path) -> Iterator[int]:
    for path in list(pins.glob("clsact_*")):
        yield int(path.name.partition("_")[2])


def release(pins: Path, ifindex: int) -> None:
    """Remove our filters from `ifindex`, and the qdisc if it is ours and carries nothing else. Idempotent."""
    mark = pins / f"clsact_{ifindex}"
    if not mark.is_dir():
        return
    if name_of(ifindex) is not None:
        with refusals(f"clean up interface {ifindex}"), IPRoute() as ip:
            _remove_filters(ip, ifindex)
            if not any(_filters(ip, ifindex)):
                ip.tc("del", "clsact", ifindex)
    mark.rmdir()


def sweep() -> None:
    """Remove our filters from all interfaces of this network namespace, other people's qdiscs included."""
    with refusals("look for filters of ours"), IPRoute() as ip:
        qdiscs = [qdisc for qdisc in ip.get_qdiscs() if qdisc.get_attr("TCA_KIND") == "clsact"]
        for ifindex in {qdisc["index"] for qdisc in qdiscs}:
            _remove_filters(ip, ifindex)


def _remove_filters(ip: IPRoute, ifindex: int) -> None:
    for parent in (_INGRESS, _EGRESS):
        if any(_is_ours(found) for found in ip.get_filters(index=ifindex, parent=parent)):
            with suppress(NetlinkError):  # detached meanwhile
                ip.tc("del-filter", "bpf", ifindex, _HANDLE, parent=parent, prio=_PRIORITY)


def _is_ours(found: Any) -> bool:
    """Of our handle and priority (upper half of tcm_info, rtnetlink(7)), and running a program of ours."""
    if found["handle"] != _HANDLE or found["info"] >> 16 != _PRIORITY or found.get_attr("TCA_KIND") != "bpf":
        return False
    options = found.get_attr("TCA_OPTIONS")
    return str(options and options.get_attr("TCA_BPF_NAME")).startswith("np_")


def _filters(ip: IPRoute, ifindex: int) -> Iterator[object]:
    for parent in (_INGRESS, _EGRESS):
        yield from ip.get_filters(index=ifindex, parent=parent)
