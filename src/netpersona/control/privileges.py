"""Giving up root. The manager needs none, so it keeps none.

The only system calls outside of ``datapath``: they must happen in this process, which may not import that.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38  # include/uapi/linux/prctl.h, Linux 3.5


def hand_over(directory: Path, uid: int, gid: int) -> None:
    """Makes ``directory`` (0700) belong to the user that is about to use it. Follows no symbolic link."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, 0o700)
    finally:
        os.close(descriptor)


def drop(uid: int, gid: int) -> None:
    """Becomes ``uid``:``gid`` for good, without groups. What only the old user may read is read before."""
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def forbid_new_privileges() -> None:
    """No set-uid program that this process may start gains anything (prctl(2)).

    Raises:
        OSError
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
