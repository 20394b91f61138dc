"""Netlink messages as bytes (netlink(7)): attributes, headers, refusals."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping

HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port
REQUEST, ACK, DUMP, DUMP_INTERRUPTED = 0x01, 0x04, 0x300, 0x10
ERROR, DONE = 2, 3
NESTED = 0x8000
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type
_TYPE_MASK = 0x3FFF  # without NLA_F_NESTED and NLA_F_NET_BYTEORDER
_ACK_TLVS, _ERROR_TEXT = 0x200, 1  # NLM_F_ACK_TLVS, NLMSGERR_ATTR_MSG


def messages(received: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Type, flags and body of each."""
    at = 0
    while at < len(received):
        length, kind, flags, _, _ = HEADER.unpack_from(received, at)
        yield kind, flags, received[at + HEADER.size : at + length]
        at += aligned(length)


def refuse(content: bytes, flags: int = 0) -> None:
    """Raises what an error, or the end of a dump, says, in the words of the driver where it has some."""
    code = -struct.unpack_from("=i", content)[0]
    if code:
        said = attributes(content, 4 + HEADER.size).get(_ERROR_TEXT, b"") if flags & _ACK_TLVS else b""
        raise OSError(code, said.rstrip(b"\0").decode(errors="replace") or os.strerror(code))


def attributes(message: bytes, at: int = 0) -> dict[int, bytes]:
    found = {}
    while at + _ATTRIBUTE.size <= len(message):
        length, kind = _ATTRIBUTE.unpack_from(message, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & _TYPE_MASK] = message[at + _ATTRIBUTE.size : at + length]
        at += aligned(length)
    return found


def integer(found: Mapping[int, bytes], kind: int) -> int | None:
    content = found.get(kind)
    return None if content is None else int(struct.unpack_from("=i", content)[0])


def attribute(kind: int, content: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(content)
    return _ATTRIBUTE.pack(length, kind) + content + bytes(aligned(length) - length)


def aligned(length: int) -> int:
    return length + 3 & ~3
