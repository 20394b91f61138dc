"""Bounds the logs of manager, engine and agent. They append, so a file may be cut under them."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import structlog

BOUND_BYTES = 16 << 20
"""A log that is larger loses its older half."""
CHECK_S = 10.0

_log = structlog.get_logger(__name__)


async def cap_forever(directory: Path) -> None:
    """Never returns."""
    while True:
        try:
            await asyncio.to_thread(cap, directory)
        except OSError as error:
            _log.warning("cannot cut the logs", directory=str(directory), error=str(error))
        await asyncio.sleep(CHECK_S)


def cap(directory: Path, bound: int = BOUND_BYTES) -> None:
    """Cut every log that is over `bound` bytes to its newest lines, half of that. Raises OSError."""
    for path in directory.glob("*.log"):
        if path.stat().st_size > bound:
            _keep_newest(path, bound // 2)


def _keep_newest(path: Path, size: int) -> None:
    with path.open("r+b") as log:
        log.seek(-size, os.SEEK_END)
        log.readline()
        kept = log.read()
        log.seek(0)
        log.write(kept)
        log.truncate()
