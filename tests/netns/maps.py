"""Elements of pinned maps, read and set by hand: for what would take a test too long to wait for."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SYSCALL = {"x86_64": 321, "aarch64": 280}[platform.machine()]
_LOOKUP, _UPDATE, _GET_PINNED = 1, 2, 7
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def element(pin: Path, key: int, size: int) -> Iterator[bytearray]:
    """One element of an array of `size` bytes, set to what the block makes of it. Raises OSError."""
    path = ctypes.create_string_buffer(os.fsencode(pin))
    fd = _bpf(_GET_PINNED, struct.pack("QII", ctypes.addressof(path), 0, 0))
    number = ctypes.create_string_buffer(struct.pack("I", key))
    value = ctypes.create_string_buffer(size)
    at = struct.pack("IIQQQ", fd, 0, ctypes.addressof(number), ctypes.addressof(value), 0)
    try:
        _bpf(_LOOKUP, at)
        content = bytearray(value.raw)
        yield content
        value.raw = bytes(content)
        _bpf(_UPDATE, at)
    finally:
        os.close(fd)


def _bpf(command: int, attributes: bytes) -> int:
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    result: int = _libc.syscall(_SYSCALL, command, buffer, len(attributes))
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
