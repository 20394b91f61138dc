"""A bpffs of our own: whatever is pinned there goes when it is unmounted."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from netpersona.datapath.errors import refusals

_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_MNT_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)


def is_bpffs(path: Path) -> bool:
    """Whether a bpffs is mounted at `path` in this mount namespace."""
    wanted = os.fspath(path.resolve())
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        if kind.startswith("bpf ") and fields.split(" ")[4].replace("\\040", " ") == wanted:
            return True
    return False


def mount_bpffs(path: Path) -> None:
    """Mount a bpffs at `path`, readable by root alone. Idempotent."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_bpffs(path):
        return
    with refusals(f"mount a bpffs at {path}"):
        _check(
            _libc.mount(b"bpf", os.fsencode(path), b"bpf", _MS_NOSUID | _MS_NODEV | _MS_NOEXEC, b"mode=0700")
        )


def unmount_bpffs(path: Path) -> None:
    """Unmount it and remove the mount point. Idempotent."""
    if is_bpffs(path):
        with refusals(f"unmount {path}"):
            _check(_libc.umount2(os.fsencode(path), _MNT_DETACH))
    if path.is_dir():
        path.rmdir()


def _check(result: int) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
