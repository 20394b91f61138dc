"""The command line. Imports below stay light: `netpersona validate` must answer before a person notices."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

__all__ = ["main"]

INTERRUPTED = 130
"""128 + SIGINT, as shells report it."""


def main(argv: Sequence[str] | None = None, *, transport: httpx2.BaseTransport | None = None) -> int:
    """Run one command and return its exit code; Ctrl-C is heard while modules are still loaded, too."""
    _open_streams()
    try:
        from netpersona.cli.app import main as run

        return run(argv, transport=transport)
    except KeyboardInterrupt:
        return INTERRUPTED


def _open_streams() -> None:
    """Streams that the caller closed lead nowhere, before a socket of ours is taken for one."""
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115
