"""Starts the supervisor again when it dies, as it does the agent: neither is without somebody who watches."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path

import structlog

from netpersona.datapath import processes
from netpersona.datapath.processes import Process

MODULE = "netpersona.cli.supervisor"
LOOK_S = 1.0
PAUSE_S = 5.0
"""Between two attempts: a supervisor needs about one second until its pid file says that it runs."""

_log = structlog.get_logger(__name__)


async def keep_supervised(run_dir: Path, state_dir: Path) -> None:
    """Never returns. Where there is no pid file, none is wanted: `down` and `--no-supervise` remove it."""
    pidfile = run_dir / "supervisor.pid"
    while True:
        await asyncio.sleep(LOOK_S)
        if not pidfile.exists() or processes.read_pidfile(pidfile):
            continue
        _log.warning("the supervisor has ended; starting it again")
        try:
            started = start(run_dir, state_dir)
        except OSError as error:
            _log.warning("the supervisor could not be started", error=str(error))
        else:
            await asyncio.sleep(PAUSE_S)
            _bury(started)


def start(run_dir: Path, state_dir: Path) -> Process:
    """Another one ends by itself if one runs, or if nothing is up."""
    return processes.spawn(
        [sys.executable, "-m", MODULE, "--run-dir", str(run_dir), "--state-dir", str(state_dir)],
        log=state_dir / "log" / "supervisor.log",
        environment={**os.environ, processes.MARKER: str(run_dir)},
    )


def _bury(child: Process) -> None:
    with suppress(ChildProcessError):
        os.waitpid(child.pid, os.WNOHANG)
