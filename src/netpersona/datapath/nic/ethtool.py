"""Settings of an interface as flat keys (`netpersona.kinds.hardware`), read from the kernel and set there."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from netpersona.datapath.messages import (
    ACK,
    ERROR,
    HEADER,
    NESTED,
    REQUEST,
    attribute,
    attributes,
    messages,
    refuse,
)
from netpersona.datapath.nic.genetlink import EthtoolNetlink, Notices
from netpersona.datapath.nic.ioctls import EthtoolIoctl
from netpersona.kinds.hardware import Capabilities, Settings, Value
from netpersona.kinds.hardware.rss import entries_of, text
from netpersona.kinds.hardware.steering import parse

T = TypeVar("T")

_FEATURES_GET, _FEATURES_SET, _RINGS_GET, _RINGS_SET = 11, 12, 15, 16  # ETHTOOL_MSG_*
_CHANNELS_GET, _CHANNELS_SET, _COALESCE_GET, _COALESCE_SET = 17, 18, 19, 20
_CHANGEABLE, _REQUESTED = 2, 3  # ETHTOOL_A_FEATURES_HW, _WANTED
_SIZE, _VALUE, _MASK = 2, 4, 5  # ETHTOOL_A_BITSET_*

_RINGS = {"rx": 6, "tx": 9}  # ETHTOOL_A_RINGS_*
_RINGS_MOST = {"rx": 2, "tx": 5}
_CHANNELS = {"rx": 6, "tx": 7, "combined": 9}  # ETHTOOL_A_CHANNELS_*
_CHANNELS_MOST = {"rx": 2, "tx": 3, "combined": 5}
_COALESCE = {
    "rx_usecs": 2,
    "rx_frames": 3,
    "tx_usecs": 6,
    "tx_frames": 7,
    "adaptive_rx": 11,
    "adaptive_tx": 12,
}  # ETHTOOL_A_COALESCE_*
_FLAGS = ("adaptive_rx", "adaptive_tx")

_GETLINK, _SETLINK = 18, 19
_LINK = struct.Struct("=BxHiII")  # ifinfomsg
_ADDRESS, _NAME, _TXQLEN, _RX_QUEUES, _PERMANENT = 1, 3, 13, 32, 54  # IFLA_*
_NO_CHANNELS = ("tun",)
"""Drivers that show channels and have no way to set them."""
MOST_QUEUES = 128
"""Queues of which settings of their own are read."""


@dataclass(frozen=True)
class Nic:
    """An interface: who it is, what it has, what bounds that. `address` is permanent where it has such."""

    name: str
    address: str
    settings: Settings
    capabilities: Capabilities


class Access(Protocol):
    """The kernel, or a test's. All raise OSError with what it says."""

    def read(self, ifindex: int) -> Nic | None:
        """None if there is no such interface."""

    def put(self, ifindex: int, step: str, values: Mapping[str, Value]) -> None:
        """What one call sets: keys of a step (`netpersona.kinds.hardware.step_of`)."""

    def changed(self) -> set[int] | None:
        """Interfaces that somebody changed since the last time; None: any may be."""


class Ethtool:
    """Of the namespace of the thread that makes it. One thread at a time."""

    def __init__(self) -> None:
        self._netlink = EthtoolNetlink()
        self._ioctl = EthtoolIoctl()
        self._notices = Notices(self._netlink.monitor)
        self._route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._features: list[str] = []

    def close(self) -> None:
        for one in (self._netlink, self._ioctl, self._notices, self._route):
            one.close()

    def changed(self) -> set[int] | None:
        return self._notices.changed()

    # ---- reading ---------------------------------------------------------------------------------

    def read(self, ifindex: int) -> Nic | None:
        try:
            link = self._link(ifindex)
        except OSError as error:
            if error.errno == errno.ENODEV:
                return None
            raise
        return self._nic(ifindex, link)

    def _nic(self, ifindex: int, link: Mapping[int, bytes]) -> Nic:
        driver = self._ioctl.driver(ifindex)
        numbers, maxima = self._numbers(ifindex, () if driver in _NO_CHANNELS else ("rings", "channels"))
        settings: dict[str, Value] = {"txqueuelen": _word(link, _TXQLEN), **numbers}
        settings.update(self._others(ifindex))
        counts = [settings.get(f"channels/{name}") for name in ("rx", "combined")]
        queues = sum(count for count in counts if isinstance(count, int)) or _word(link, _RX_QUEUES) or 1
        queue_settings = dict(self._of_queues(ifindex, queues))
        rss = _unless_refused(lambda: self._ioctl.rss(ifindex), None)
        nothing: tuple[int, dict[int, str]] = (0, {})
        size, rules = _unless_refused(lambda: self._ioctl.rules(ifindex), nothing)
        settings |= queue_settings | _rss_settings(rss)
        settings |= {f"ntuple/{place}": shown for place, shown in rules.items()}
        capabilities = Capabilities(
            driver=driver,
            maxima=maxima,
            queues=queues,
            per_queue=bool(queue_settings),
            ntuple=size,
            rss=len(rss[0]) if rss else 0,
        )
        return Nic(_name(link), _address(link), settings, capabilities)

    def _numbers(self, ifindex: int, groups: Sequence[str]) -> tuple[dict[str, Value], dict[str, int]]:
        """Of rings and channels: what is, and what may be. What may be none is not there."""
        settings: dict[str, Value] = {}
        maxima: dict[str, int] = {}
        for group, command, kinds, most in (
            ("rings", _RINGS_GET, _RINGS, _RINGS_MOST),
            ("channels", _CHANNELS_GET, _CHANNELS, _CHANNELS_MOST),
        ):
            found = self._netlink.get(command, ifindex) if group in groups else {}
            for name in (name for name in kinds if _word(found, most[name])):
                settings[f"{group}/{name}"] = _word(found, kinds[name])
                maxima[f"{group}/{name}"] = _word(found, most[name])
        return settings, maxima

    def _others(self, ifindex: int) -> Iterator[tuple[str, Value]]:
        found = self._netlink.get(_COALESCE_GET, ifindex)
        for name, kind in _COALESCE.items():
            if kind in found:
                yield f"coalesce/{name}", bool(found[kind][0]) if name in _FLAGS else _word(found, kind)
        for name, requested in self._offloads(ifindex):
            yield f"features/{name}", requested

    def _offloads(self, ifindex: int) -> Iterator[tuple[str, bool]]:
        """What can be changed, and whether it is requested."""
        self._features = self._features or self._ioctl.feature_names(ifindex)
        found = self._netlink.get(_FEATURES_GET, ifindex)
        changeable, requested = (_bits(found.get(kind, b"")) for kind in (_CHANGEABLE, _REQUESTED))
        for bit, name in enumerate(self._features):
            if changeable >> bit & 1 and name:
                yield name, bool(requested >> bit & 1)

    def _of_queues(self, ifindex: int, queues: int) -> Iterator[tuple[str, Value]]:
        for queue in range(min(queues, MOST_QUEUES)):
            found = _unless_refused(partial(self._ioctl.coalescing, ifindex, queue), None)
            if found is None:
                return
            yield from ((f"queue/{queue}/coalesce/{name}", value) for name, value in found.items())

    def _link(self, ifindex: int) -> Mapping[int, bytes]:
        return attributes(self._ask_route(_GETLINK, ifindex, b"", 0), _LINK.size)

    # ---- setting ---------------------------------------------------------------------------------

    def put(self, ifindex: int, step: str, values: Mapping[str, Value]) -> None:
        group = step.partition("/")[0]
        setters: dict[str, Callable[[int, str, Mapping[str, Value]], None]] = {
            "features": self._set_offloads,
            "queue": self._set_queue,
            "rss": self._set_rss,
            "ntuple": self._set_rule,
            "txqueuelen": self._set_length,
        }
        setters.get(group, self._set_numbers)(ifindex, step, values)

    def _set_numbers(self, ifindex: int, step: str, values: Mapping[str, Value]) -> None:
        command, kinds = {
            "rings": (_RINGS_SET, _RINGS),
            "channels": (_CHANNELS_SET, _CHANNELS),
            "coalesce": (_COALESCE_SET, _COALESCE),
        }[step]
        named = {key.rpartition("/")[2]: int(value or 0) for key, value in values.items()}
        body = (
            attribute(kinds[name], struct.pack("=B" if name in _FLAGS else "=I", value))
            for name, value in named.items()
        )
        self._netlink.put(command, ifindex, b"".join(body))

    def _set_offloads(self, ifindex: int, _: str, values: Mapping[str, Value]) -> None:
        self._features = self._features or self._ioctl.feature_names(ifindex)
        bits = {self._features.index(key.partition("/")[2]): bool(value) for key, value in values.items()}
        words = -(-len(self._features) // 32)
        value, mask = (
            sum(1 << bit for bit, on in bits.items() if on or every).to_bytes(4 * words, "little")
            for every in (False, True)
        )
        size = struct.pack("=I", len(self._features))
        bitset = attribute(_SIZE, size) + attribute(_VALUE, _words(value)) + attribute(_MASK, _words(mask))
        self._netlink.put(_FEATURES_SET, ifindex, attribute(_REQUESTED | NESTED, bitset))

    def _set_queue(self, ifindex: int, step: str, values: Mapping[str, Value]) -> None:
        queue = int(step.split("/")[1])
        named = {key.rpartition("/")[2]: value for key, value in values.items()}
        self._ioctl.set_coalescing(ifindex, queue, {name: int(value or 0) for name, value in named.items()})

    def _set_rss(self, ifindex: int, _: str, values: Mapping[str, Value]) -> None:
        found = self._ioctl.rss(ifindex)
        table, key = values.get("rss/table"), values.get("rss/key")
        entries = entries_of(str(table), len(found[0])) if table is not None and found else None
        self._ioctl.set_rss(ifindex, entries, None if key is None else str(key))

    def _set_rule(self, ifindex: int, step: str, values: Mapping[str, Value]) -> None:
        place, text = int(step.partition("/")[2]), values[step]
        steer = parse(str(text)) if text is not None else None
        if steer is not None:
            self._ioctl.insert(ifindex, place, steer)
        else:
            self._ioctl.delete(ifindex, place)

    def _set_length(self, ifindex: int, _: str, values: Mapping[str, Value]) -> None:
        length = struct.pack("=I", int(values["txqueuelen"] or 0))
        self._ask_route(_SETLINK, ifindex, attribute(_TXQLEN, length), ACK)

    def _ask_route(self, kind: int, ifindex: int, body: bytes, flags: int) -> bytes:
        content = _LINK.pack(0, 0, ifindex, 0, 0) + body
        self._route.send(HEADER.pack(HEADER.size + len(content), kind, REQUEST | flags, 0, 0) + content)
        answered, marks, message = next(messages(self._route.recv(1 << 16)))
        if answered == ERROR:
            refuse(message, marks)
        return message


def _unless_refused(read: Callable[[], T], otherwise: T) -> T:
    """Some drivers answer that a question is invalid where they mean that they know no such thing."""
    try:
        return read()
    except OSError as error:
        if error.errno == errno.EINVAL:
            return otherwise
        raise


def _word(found: Mapping[int, bytes], kind: int) -> int:
    content = found.get(kind)
    return int(struct.unpack_from("=I", content)[0]) if content else 0


def _bits(bitset: bytes) -> int:
    return int.from_bytes(_words(attributes(bitset).get(_VALUE, b"")), "little")


def _words(content: bytes) -> bytes:
    """Bitsets are words of the host's order, the lowest first: as little-endian bytes, and back."""
    found = struct.unpack(f"={len(content) // 4}I", content)
    return struct.pack(f"<{len(found)}I", *found)


def _name(link: Mapping[int, bytes]) -> str:
    return link.get(_NAME, b"").rstrip(b"\0").decode(errors="replace")


def _address(link: Mapping[int, bytes]) -> str:
    permanent = link.get(_PERMANENT, b"")
    return (permanent if any(permanent) else link.get(_ADDRESS, b"")).hex(":")


def _rss_settings(rss: tuple[Sequence[int], str] | None) -> dict[str, Value]:
    if rss is None or not rss[0]:
        return {}
    table, key = rss
    return {"rss/table": text(table), **({"rss/key": key} if key else {})}
