"""What ethtool's netlink does not have: single queues, receive tables, n-tuple rules (linux/ethtool.h).

An ioctl names the interface, so its name is asked for by its number each time.
"""

from __future__ import annotations

import array
import errno
import fcntl
import ipaddress
import socket
import struct

from netpersona.kinds.hardware import Steer

_SIOCETHTOOL, _SIOCGIFNAME = 0x8946, 0x8910
_GDRVINFO, _GSTRINGS, _GSSET_INFO, _PERQUEUE = 0x03, 0x1B, 0x37, 0x4B
_GCOALESCE, _SCOALESCE, _GRSSH, _SRSSH = 0x0E, 0x0F, 0x46, 0x47
_GRXCLSRLCNT, _GRXCLSRULE, _GRXCLSRLALL, _SRXCLSRLDEL, _SRXCLSRLINS = 0x2E, 0x2F, 0x30, 0x31, 0x32
_FEATURES, _STRING = 4, 32  # ETH_SS_FEATURES, ETH_GSTRING_LEN
_DRIVER = struct.Struct("=I32s32s32s32s32s12sIIIII")  # ethtool_drvinfo
_RXFH = struct.Struct("=IIIIB3xI")  # ethtool_rxfh: command, context, entries, key bytes, function, …
_NO_CHANGE = 0xFFFFFFFF  # ETH_RXFH_INDIR_NO_CHANGE
_QUEUES = 128  # words of the mask of queues
_COALESCE = struct.Struct("=23I")  # ethtool_coalesce
_FIELDS = {
    "rx_usecs": 1,
    "rx_frames": 2,
    "tx_usecs": 5,
    "tx_frames": 6,
    "adaptive_rx": 10,
    "adaptive_tx": 11,
}
_FLAGS = ("adaptive_rx", "adaptive_tx")

# ethtool_rx_flow_spec: flow type, match, extension, mask of both, where to, place in the table.
_SPEC = struct.Struct("=I52s20s52s20sxxxxQI4x")
_RULE = struct.Struct(f"=IIQ{_SPEC.size}sI")  # ethtool_rxnfc, up to the places
_DRIVER_CHOOSES = 1 << 31  # RX_CLS_LOC_SPECIAL
_FLOWS = {1: "tcp4", 2: "udp4", 3: "sctp4", 5: "tcp6", 6: "udp6", 7: "sctp6"}  # *_V4_FLOW, *_V6_FLOW


class EthtoolIoctl:
    """All raise OSError with what the kernel says. None or nothing: the driver does not know such a thing."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def close(self) -> None:
        self._socket.close()

    def driver(self, ifindex: int) -> str:
        found = self._ask(ifindex, _DRIVER.pack(_GDRVINFO, *[b""] * 6, *[0] * 5))
        return "" if found is None else _DRIVER.unpack(found)[1].rstrip(b"\0").decode(errors="replace")

    def feature_names(self, ifindex: int) -> list[str]:
        """By bit."""
        size = self._ask(ifindex, struct.pack("=IIQI", _GSSET_INFO, 0, 1 << _FEATURES, 0))
        count = struct.unpack("=IIQI", size)[3] if size else 0
        found = self._ask(ifindex, struct.pack("=III", _GSTRINGS, _FEATURES, count) + bytes(_STRING * count))
        names = (found or b"")[12:]
        return [names[at : at + _STRING].split(b"\0")[0].decode() for at in range(0, len(names), _STRING)]

    # ---- one queue -------------------------------------------------------------------------------

    def coalescing(self, ifindex: int, queue: int) -> dict[str, int | bool] | None:
        found = self._queue(ifindex, queue, _GCOALESCE, bytes(_COALESCE.size))
        if found is None:
            return None
        words = _COALESCE.unpack(found)
        return {name: bool(words[at]) if name in _FLAGS else words[at] for name, at in _FIELDS.items()}

    def set_coalescing(self, ifindex: int, queue: int, values: dict[str, int | bool]) -> None:
        found = self._queue(ifindex, queue, _GCOALESCE, bytes(_COALESCE.size)) or bytes(_COALESCE.size)
        words = list(_COALESCE.unpack(found))
        words[0] = _SCOALESCE
        for name, value in values.items():
            words[_FIELDS[name]] = int(value)
        if self._queue(ifindex, queue, _SCOALESCE, _COALESCE.pack(*words)) is None:
            raise OSError(errno.EOPNOTSUPP, "this driver coalesces for all queues alike")

    def _queue(self, ifindex: int, queue: int, command: int, settings: bytes) -> bytes | None:
        mask = [0] * _QUEUES
        mask[queue // 32] = 1 << queue % 32
        head = struct.pack(f"={2 + _QUEUES}I", _PERQUEUE, command, *mask)
        found = self._ask(ifindex, head + settings)
        return None if found is None else found[len(head) :]

    # ---- receive-side scaling --------------------------------------------------------------------

    def rss(self, ifindex: int) -> tuple[list[int], str] | None:
        """Table, and hash key in hexadecimal."""
        sizes = self._ask(ifindex, _RXFH.pack(_GRSSH, 0, 0, 0, 0, 0))
        if sizes is None:
            return None
        _, _, entries, key, *_ = _RXFH.unpack(sizes)
        found = self._ask(ifindex, _RXFH.pack(_GRSSH, 0, entries, key, 0, 0) + bytes(4 * entries + key))
        body = (found or b"")[_RXFH.size :]
        table = array.array("I", body[: 4 * entries])
        return list(table), body[4 * entries :].hex()

    def set_rss(self, ifindex: int, table: list[int] | None, key: str | None) -> None:
        body = array.array("I", table or []).tobytes() + bytes.fromhex(key or "")
        size = _NO_CHANGE if table is None else len(table)
        self._must(ifindex, _RXFH.pack(_SRSSH, 0, size, len(key or "") // 2, 0, 0) + body)

    # ---- n-tuple rules ---------------------------------------------------------------------------

    def rules(self, ifindex: int) -> tuple[int, dict[int, str]]:
        """How many the table holds (0: there is none), and those there are by place."""
        counted = self._ask(ifindex, _rule(_GRXCLSRLCNT))
        if counted is None:
            return 0, {}
        count = _RULE.unpack_from(counted)[4]
        found = self._must(ifindex, _rule(_GRXCLSRLALL, rules=count))
        _, _, size, _, count = _RULE.unpack_from(found)
        places = array.array("I", found[_RULE.size : _RULE.size + 4 * count])
        return size & ~_DRIVER_CHOOSES, {place: self._shown(ifindex, place) for place in places}

    def insert(self, ifindex: int, place: int, steer: Steer) -> None:
        self._must(ifindex, _rule(_SRXCLSRLINS, _packed(steer, place)))

    def delete(self, ifindex: int, place: int) -> None:
        self._must(ifindex, _rule(_SRXCLSRLDEL, _SPEC.pack(0, b"", b"", b"", b"", 0, place)))

    def _shown(self, ifindex: int, place: int) -> str:
        spec = _SPEC.pack(0, b"", b"", b"", b"", 0, place)
        return _text(_RULE.unpack_from(self._must(ifindex, _rule(_GRXCLSRULE, spec)))[3])

    # ----------------------------------------------------------------------------------------------

    def _must(self, ifindex: int, question: bytes) -> bytes:
        found = self._ask(ifindex, question)
        if found is None:
            raise OSError(errno.EOPNOTSUPP, "the driver does not know this setting")
        return found

    def _ask(self, ifindex: int, question: bytes) -> bytes | None:
        """The structure as the kernel filled it in; None: not known to the driver."""
        answer = array.array("B", question)
        request = struct.pack("16sP16x", self._name(ifindex), answer.buffer_info()[0])
        try:
            fcntl.ioctl(self._socket, _SIOCETHTOOL, request)
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:
                return None
            raise
        return answer.tobytes()

    def _name(self, ifindex: int) -> bytes:
        """In the namespace of the socket, whatever the thread is in."""
        answer = fcntl.ioctl(self._socket, _SIOCGIFNAME, struct.pack("16si20x", b"", ifindex))
        return answer[:16]


def _rule(command: int, spec: bytes = b"", rules: int = 0) -> bytes:
    return _RULE.pack(command, 0, 0, spec, rules) + bytes(4 * max(1, rules))


def _packed(steer: Steer, place: int) -> bytes:
    kind = next(number for number, name in _FLOWS.items() if name == steer.flow)
    return _SPEC.pack(kind, _match(steer), b"", _mask(steer), b"", steer.queue, place)


def _match(steer: Steer) -> bytes:
    size = 4 if steer.flow.endswith("4") else 16
    nets = (net.network_address.packed if net else bytes(size) for net in (steer.source, steer.destination))
    return b"".join(nets) + struct.pack("!HH", steer.source_port or 0, steer.port or 0)


def _mask(steer: Steer) -> bytes:
    size = 4 if steer.flow.endswith("4") else 16
    nets = (net.netmask.packed if net else bytes(size) for net in (steer.source, steer.destination))
    ports = (0 if port is None else 0xFFFF for port in (steer.source_port, steer.port))
    return b"".join(nets) + struct.pack("!HH", *ports)


def _text(spec: bytes) -> str:
    """As `Steer` prints it; of another sort: enough to see that it is somebody's."""
    kind, match, _, mask, _, queue, _ = _SPEC.unpack(spec)
    flow = _FLOWS.get(kind)
    if flow is None:
        return f"another sort ({kind:#x})"
    size = 4 if flow.endswith("4") else 16
    source, destination = (_network(match, mask, at, size) for at in (0, size))
    (sport, dport), (smask, dmask) = (struct.unpack_from("!HH", half, 2 * size) for half in (match, mask))
    return str(Steer(flow, queue, source, destination, sport if smask else None, dport if dmask else None))


def _network(
    match: bytes, mask: bytes, at: int, size: int
) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    bits = int.from_bytes(mask[at : at + size]).bit_count()
    address = ipaddress.ip_address(match[at : at + size])
    return ipaddress.ip_network((address, bits), strict=False) if bits else None
