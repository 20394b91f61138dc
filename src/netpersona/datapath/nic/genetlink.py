"""ethtool's netlink (Documentation/networking/ethtool-netlink.rst), and what it tells of changes."""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Mapping
from contextlib import suppress

from netpersona.datapath.messages import (
    ACK,
    DONE,
    ERROR,
    HEADER,
    NESTED,
    REQUEST,
    attribute,
    attributes,
    messages,
    refuse,
)

_RECEIVED = 1 << 16
_SOL_NETLINK, _ADD_MEMBERSHIP, _CAP_ACK, _EXT_ACK = 270, 1, 10, 11
_GENERIC, _CONTROLLER, _GETFAMILY = 16, 16, 3  # NETLINK_GENERIC, GENL_ID_CTRL, CTRL_CMD_GETFAMILY
_FAMILY_ID, _FAMILY_NAME, _GROUPS, _GROUP_NAME, _GROUP_ID = 1, 2, 7, 1, 2  # CTRL_ATTR_*
_COMMAND = struct.Struct("=BBH")  # genlmsghdr: command, version, reserved
_HEADER_ATTRIBUTE, _DEV_INDEX, _FLAGS, _COMPACT = 1, 1, 3, 1  # ETHTOOL_A_HEADER_*
UNSUPPORTED = (errno.EOPNOTSUPP, errno.ENOSYS)

_ROUTE, _RTNLGRP_LINK, _NEWLINK = 0, 1, 16
_LINK = struct.Struct("=BxHiII")  # ifinfomsg


class EthtoolNetlink:
    """A socket of the namespace of the thread that makes it. All raise OSError with what the kernel says."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _GENERIC)
        for option in (_CAP_ACK, _EXT_ACK):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._family, self.monitor = family(self._socket)

    def close(self) -> None:
        self._socket.close()

    def get(self, command: int, ifindex: int) -> Mapping[int, bytes]:
        """Attributes of the answer; none where the driver does not know such a thing."""
        try:
            return self._ask(command, ifindex, b"", 0) or {}
        except OSError as error:
            if error.errno in UNSUPPORTED:
                return {}
            raise

    def put(self, command: int, ifindex: int, body: bytes) -> None:
        self._ask(command, ifindex, body, ACK)

    def _ask(self, command: int, ifindex: int, body: bytes, flags: int) -> Mapping[int, bytes] | None:
        header = attribute(_DEV_INDEX, struct.pack("=I", ifindex)) + attribute(
            _FLAGS, struct.pack("=I", _COMPACT)
        )
        content = attribute(_HEADER_ATTRIBUTE | NESTED, header) + body
        return ask(self._socket, self._family, command, content, flags)


def ask(
    link: socket.socket, kind: int, command: int, content: bytes, flags: int = 0
) -> Mapping[int, bytes] | None:
    """The answer to a question; None where it is acknowledged alone."""
    length = HEADER.size + _COMMAND.size + len(content)
    link.send(HEADER.pack(length, kind, REQUEST | flags, 0, 0) + _COMMAND.pack(command, 1, 0) + content)
    found: Mapping[int, bytes] | None = None
    while True:
        for answered, marks, message in messages(link.recv(_RECEIVED)):
            if answered in (ERROR, DONE):
                refuse(message, marks)
                return found
            found = attributes(message, _COMMAND.size)
            if not flags & ACK:
                return found


def family(link: socket.socket) -> tuple[int, int]:
    """Number of the family, and of its group that is told of changes. OSError: Linux before 5.6."""
    found = ask(link, _CONTROLLER, _GETFAMILY, attribute(_FAMILY_NAME, b"ethtool\0")) or {}
    groups = (attributes(group) for group in attributes(found[_GROUPS]).values())
    numbers = {group[_GROUP_NAME].rstrip(b"\0"): struct.unpack("=I", group[_GROUP_ID])[0] for group in groups}
    return struct.unpack_from("=H", found[_FAMILY_ID])[0], numbers[b"monitor"]


class Notices:
    """Which interfaces somebody changed, as the kernel tells: by ethtool, or as a link."""

    def __init__(self, monitor: int) -> None:
        self._ethtool = _listening(_GENERIC, monitor)
        self._links = _listening(_ROUTE, _RTNLGRP_LINK)

    def close(self) -> None:
        self._ethtool.close()
        self._links.close()

    def changed(self) -> set[int] | None:
        """Since the last time; None: more than was kept, so any may have. Does not block."""
        found: set[int] = set()
        try:
            for listener, ifindex in ((self._ethtool, _told_of), (self._links, _link_of)):
                with suppress(BlockingIOError):
                    while True:
                        found.update(ifindex(body) for _, _, body in messages(listener.recv(_RECEIVED)))
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            return None
        return found


def _listening(protocol: int, group: int) -> socket.socket:
    listener = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    listener.bind((0, 0))  # without an address nothing is told
    listener.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    return listener


def _told_of(body: bytes) -> int:
    header = attributes(attributes(body, _COMMAND.size).get(_HEADER_ATTRIBUTE, b""))
    return int(struct.unpack_from("=I", header.get(_DEV_INDEX, bytes(4)))[0])


def _link_of(body: bytes) -> int:
    return int(_LINK.unpack_from(body)[2]) if len(body) >= _LINK.size else 0
