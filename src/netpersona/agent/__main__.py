"""`python -m netpersona.agent`: the agent process of one host. Needs root.

SIGTERM and SIGINT stop it and leave enforcement running; `netpersona down` removes that.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import structlog
import uvloop

from netpersona.agent.companion import keep_supervised
from netpersona.agent.journal import Journal
from netpersona.agent.log_files import cap_forever
from netpersona.agent.manager_client import HttpManager
from netpersona.agent.runner import MEASURE_S, Neighbours, Runner, journal_path
from netpersona.client import AsyncClient
from netpersona.datapath import (
    DatapathError,
    Ethtool,
    KernelDatapath,
    Meter,
    NicDriver,
    Prober,
    ProgramsDriver,
    Records,
    exclusive,
    hardware_path,
)
from netpersona.datapath.processes import boot_id
from netpersona.host import SOCKETS, URI
from netpersona.logs import set_up

SWITCH_INTERVAL_S = 0.0005
"""How long a compiling thread keeps the event loop waiting; by default 5 ms, as long as a switch may take."""

SELDOM = 100
"""Garbage collections before one of everything, 10 by default: with a thousand workloads it takes 20 ms."""

ANSWER_S = 5.0
"""How long the manager may take to answer a report."""

_log = structlog.get_logger("netpersona.agent")


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 after a signal, 1 if the data path cannot be opened."""
    options = _parser().parse_args(argv)
    set_up()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.freeze()  # modules stay: collections need not look at them, which would take 20 ms
    gc.set_threshold(*gc.get_threshold()[:2], SELDOM)
    try:
        with exclusive(options.run_dir), closing(KernelDatapath.open(options.run_dir)) as datapath:
            return _work(options, datapath)
    except DatapathError as error:
        _log.error("cannot open the data path", error=str(error))
        return 1


def _work(options: argparse.Namespace, datapath: KernelDatapath) -> int:
    try:
        journal = Journal(journal_path(options.state_dir), boot=boot_id())
        with journal, closing(Ethtool()) as ethtool:
            uvloop.run(_run(options, datapath, journal, ethtool))
    except OSError as error:
        _log.error("cannot keep the journal, or ask for settings of interfaces", error=str(error))
        return 1
    return 0


async def _run(
    options: argparse.Namespace, datapath: KernelDatapath, journal: Journal, ethtool: Ethtool
) -> None:
    token = options.token_file.read_text().strip() if options.token_file else None
    saved = Records(hardware_path(options.state_dir), boot_id())
    async with AsyncClient(options.manager, token, timeout_s=ANSWER_S) as client:
        manager, prober, meter = HttpManager(client, token), Prober(options.run_dir), Meter(options.run_dir)
        nic = NicDriver(ethtool, saved)
        parts = ((ProgramsDriver(datapath), nic), datapath, journal, manager, prober, meter)
        every_s: float = options.measure_every
        runner = Runner(*parts, options.host, _neighbours(options), nic.report, measure_s=every_s)
        running = asyncio.ensure_future(runner.run())
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, running.cancel)
        others = (
            loop.create_task(cap_forever(options.state_dir / "log")),
            loop.create_task(keep_supervised(options.run_dir, options.state_dir)),
        )
        _log.info("started", host=options.host, manager=options.manager)
        try:
            await running
        except asyncio.CancelledError:
            _log.info("stopped; personas stay in force")
        finally:
            for task in others:
                task.cancel()


def _neighbours(options: argparse.Namespace) -> Neighbours:
    return Neighbours(
        sockets=options.container_socket or SOCKETS, libvirt=options.libvirt, labels=options.container_labels
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m netpersona.agent", description=__doc__)
    parser.add_argument("--run-dir", type=Path, required=True, help="where the pinned objects are")
    parser.add_argument("--state-dir", type=Path, required=True, help="where the journal is kept")
    parser.add_argument("--manager", required=True, help="unix:PATH or http://HOST:PORT")
    parser.add_argument("--token-file", type=Path, help="bearer token, for a manager over TCP")
    parser.add_argument("--host", default="local", help="the name workloads call this host by")
    parser.add_argument(
        "--container-socket",
        type=Path,
        action="append",
        metavar="PATH",
        help="an API socket of podman or Docker, root's (default: where they put them); may be repeated",
    )
    parser.add_argument("--libvirt", metavar="URI", default=URI, help=f"libvirt (default: {URI})")
    parser.add_argument(
        "--container-labels",
        action="store_true",
        help="let the labels netpersona.persona and netpersona.ttl of containers assign personas",
    )
    parser.add_argument(
        "--measure-every",
        type=_interval_s,
        metavar="SECONDS",
        default=MEASURE_S,
        help=f"how often conditions are measured, 0.1 to 60 (default: {MEASURE_S:g})",
    )
    return parser


def _interval_s(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 60:
        raise ValueError
    return seconds


if __name__ == "__main__":
    sys.exit(main())
