"""One agent at a time for a run directory: two would each undo what the other does."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netpersona.datapath.errors import Busy, refusals

LOCK = "agent.lock"
"""In the run directory. Locked (flock(2)) by a running agent, and holds its pid for others to name."""


@contextmanager
def exclusive(run_dir: Path) -> Iterator[None]:
    """The right to change what is attached below `run_dir`; the kernel takes it back from whoever dies.

    Raises:
        Busy: another process has it.
    """
    with refusals(f"lock {run_dir / LOCK}"):
        run_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(run_dir / LOCK, flags, 0o600)
    try:
        _lock(descriptor, run_dir)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, run_dir: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(descriptor, 16, 0).decode(errors="replace").strip()
        raise Busy(
            f"another agent (pid {pid or 'unknown'}) works on {run_dir}; "
            f"end it first, or give this one a --run-dir of its own"
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
