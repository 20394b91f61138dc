"""`python -m netpersona.cli.supervisor`: starts manager, engine and agent again when they die.

`up` starts it and `down` ends it first. It acts under the same lock as they do. Who watches it is the
agent (agent/companion.py), so that killing any one of the four, at any time, is mended. It looks at deaths
only: what hangs may be busy, and is for a person to judge (`netpersona status`, `netpersona up`).
"""

from __future__ import annotations

import argparse
import os
import select
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from netpersona.cli import roles
from netpersona.cli.directories import claimed
from netpersona.cli.errors import CliError
from netpersona.cli.places import RUN_DIR, STATE_DIR, Places, Record, manager_user, read_record
from netpersona.datapath import DatapathError, processes
from netpersona.datapath.pulse import Pulse

WATCHED = ("manager", "engine", "agent")
FIRST_S = 0.25
LIMIT_S = 30.0
STEADY_S = 60.0
"""One that ran for so long is started again at once."""
LOOK_S = 5.0
"""How often it is looked whether others run than those that are waited for."""


@dataclass
class Restarts:
    """When a process that dies may be started: at once, then after a pause that doubles up to `LIMIT_S`."""

    attempts: int = 0
    begun_s: float = float("-inf")

    def due_s(self, now_s: float) -> float:
        """The moment, by the clock that `now_s` is from."""
        if now_s - self.begun_s >= STEADY_S:
            self.attempts = 0
        pause_s = min(LIMIT_S, FIRST_S * 2.0 ** (min(self.attempts, 32) - 1)) if self.attempts else 0.0
        return self.begun_s + pause_s

    def begin(self, now_s: float) -> None:
        self.attempts += 1
        self.begun_s = now_s


class Supervisor:
    def __init__(self, places: Places) -> None:
        self._places = places
        self._restarts = {role: Restarts() for role in WATCHED}

    def run(self) -> None:
        """Until nothing is up any more."""
        with suppress(FileNotFoundError):
            while True:
                _reap()
                now = time.monotonic()
                dead = [role for role in WATCHED if not self._lives(role)]
                wait_s = min([self._wait_s(role, now) for role in dead], default=LOOK_S)
                if wait_s > 0:
                    self._sleep(wait_s)
                else:
                    self._mend([role for role in dead if self._wait_s(role, now) <= 0])

    def _wait_s(self, role: str, now_s: float) -> float:
        return self._restarts[role].due_s(now_s) - now_s

    def _lives(self, role: str) -> bool:
        return processes.read_pidfile(self._places.pidfile(role)) is not None

    def _sleep(self, wait_s: float) -> None:
        """Until one of them ends, or for so long."""
        with ExitStack() as stack:
            watching = select.poll()
            for role in WATCHED:
                process = processes.read_pidfile(self._places.pidfile(role))
                if process and (descriptor := processes.watch(process)) is not None:
                    stack.callback(os.close, descriptor)
                    watching.register(descriptor, select.POLLIN)
            watching.poll(wait_s * 1000)

    def _mend(self, dead: list[str]) -> None:
        """Raises FileNotFoundError once everything was taken down."""
        with claimed(self._places.run_dir, RUN_DIR, make=False):
            for role in dead:
                if not self._lives(role):
                    self._start(role)

    def _start(self, role: str) -> None:
        self._restarts[role].begin(time.monotonic())
        _say(f"the {role} has ended; starting it again")
        start: dict[str, Callable[[], list[str]]] = {
            "manager": self._manager,
            "engine": self._engine,
            "agent": self._agent,
        }
        try:
            start[role]()
        except (CliError, DatapathError, OSError) as error:
            _say(f"the {role} could not be started: {error}")

    def _record(self) -> Record:
        record = read_record(self._places)
        if record is None:
            raise CliError(f"{self._places.record} is missing or damaged", "run `netpersona up`")
        return record

    def _agent(self) -> list[str]:
        return roles.start_agent(self._places, self._record().agent_options, _say)

    def _manager(self) -> list[str]:
        record = self._record()
        os.environ[roles.ALLOW_HOST] = record.allow_host
        with claimed(self._places.state_dir, STATE_DIR, make=False) as state:
            owner = manager_user(self._places, state, None)
            return roles.start_manager(self._places, record.listen, owner, _say)

    def _engine(self) -> list[str]:
        return roles.start_engine(self._places, Pulse(self._places.run_dir).beats, _say)


def main() -> int:
    """0 when there is nothing to look after: all was taken down, or another supervisor is at work."""
    places = _places()
    try:
        with claimed(places.run_dir, RUN_DIR, make=False):
            other = processes.read_pidfile(places.pidfile("supervisor"))
            myself = processes.identify(os.getpid())
            if myself is None or (other not in (None, myself)) or not places.record.exists():
                return 0
            processes.write_pidfile(places.pidfile("supervisor"), myself)
    except FileNotFoundError:
        return 0
    Supervisor(places).run()
    return 0


def _reap() -> None:
    """What we started is ours to bury."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _say(message: str) -> None:
    print(datetime.now(UTC).isoformat(timespec="milliseconds"), message, file=sys.stderr, flush=True)


def _places() -> Places:
    parser = argparse.ArgumentParser(prog="python -m netpersona.cli.supervisor", description=__doc__)
    parser.add_argument("--run-dir", type=Path, required=True)
    parser.add_argument("--state-dir", type=Path, required=True)
    options = parser.parse_args()
    return Places(options.run_dir, options.state_dir)


if __name__ == "__main__":
    sys.exit(main())
