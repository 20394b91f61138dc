"""The packet engine as a process: `python -m netpersona.datapath.engine_process --run-dir D`.

Runs until SIGTERM or SIGINT. Then kernel programs stop sending to it at once and fail open or closed, as each
persona says, and what it holds leaves: at once where they fail open, else at its own time within half a
second. Killed otherwise, it is missed within 150 ms and what it holds is lost.
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from pathlib import Path

from netpersona import _engine
from netpersona.datapath.programs.kernel import DETOUR_TAP, pins_path

MEMORY = 256 << 20
"""Bytes of packets that the engine holds at most; beyond, they are dropped and counted."""


def main() -> int:
    """The exit status: 0 when told to stop, 1 when the engine could not go on."""
    options = _options()
    # Before any thread is started, so that all leave the signals to `sigwait`.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    stop, failures = _engine.Stop(), list[Exception]()

    def run() -> None:
        try:
            _engine.run_engine(pins_path(options.run_dir), options.tap, options.memory, stop)
        except RuntimeError as error:
            failures.append(error)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)

    engine = threading.Thread(target=run, name="engine")
    engine.start()
    signal.sigwait(signals)
    stop.set()
    engine.join()
    for failure in failures:
        print(f"engine: {failure}", file=sys.stderr)
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="netpersona-engine", description=__doc__)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--tap", default=DETOUR_TAP)
    parser.add_argument("--memory", type=int, default=MEMORY, help="bytes of packets to hold at most")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
