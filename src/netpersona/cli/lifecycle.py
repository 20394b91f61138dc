"""Bring everything up on this host, and take everything down again.

`up` starts what is missing, so a second one repairs; `down` ends whatever of it is left, so a second one
finds nothing. Either may be interrupted anywhere: the next of them finishes the work. Processes are
known by pid and start time; those that were never written down, by an environment variable.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx2

from netpersona.cli.errors import CliError
from netpersona.cli.places import (
    Places,
    Record,
    bound_address,
    listening,
    make_directories,
    read_record,
    write_record,
)
from netpersona.datapath import DatapathError, KernelDatapath, processes, remove
from netpersona.datapath.kernel import pins_path
from netpersona.datapath.processes import Process

MODULES = {
    "manager": "netpersona.control",
    "engine": "netpersona.datapath.engine_process",
    "agent": "netpersona.agent",
}
# A packet that is due and a switch that is asked for come before the load they act on.
NICE = {"manager": -5, "engine": -10, "agent": -5}
HOST = "local"
"""The name that the agent of a single machine goes by, and the default host of a workload."""
READY_S = 20.0
GRACE_S = 5.0
BEAT_S = 2.0
"""An engine whose heart does not beat for so long hangs: it beats many times a second, however busy."""
REPORT_S = 12.0
"""An agent that does not report for so long hangs: it does every five seconds."""
LOG_LINES = 15

Say = Callable[[str], None]


@dataclass(frozen=True)
class Running:
    """What `up` leaves behind, for the caller to print. `started` names what was not there before."""

    listen: str
    socket: Path
    token_file: Path
    logs: Path
    started: tuple[str, ...]


def up(places: Places, *, listen: str, user: str | None = None, say: Say = print) -> Running:
    """Start manager, engine and agent where they do not run, and wait until all are ready.

    Raises CliError: not root, an address in use, no such user, a kernel without what is needed, or a
    process that did not become ready (with the end of its log).
    """
    _require_root("up")
    with _locked(places), _undone_on_failure(places, say):
        _join(places)
        uid, gid = make_directories(places, user)
        started = [*_start_manager(places, listen, uid, gid, say)]
        with closing(_open(places)) as datapath:
            started += _start_engine(places, datapath, say)
            started += _start_agent(places, say)
        record = read_record(places)
    address = record.listen if record else listen
    return Running(address, places.socket, places.token, places.state_dir / "log", tuple(started))


def down(places: Places, *, purge: bool = False, say: Say = print) -> None:
    """Stop everything and remove it from the kernel; with `purge` the state directory as well.

    Raises CliError: not root, or something that would not go.
    """
    _require_root("down")
    if places.run_dir.is_dir():
        with _locked(places):
            _take_down(places, say)
    else:
        say("nothing was up")
    if purge:
        shutil.rmtree(places.state_dir, ignore_errors=True)
        say(f"removed {places.state_dir}")
    elif places.state_dir.is_dir():
        say(f"kept personas, workloads and logs in {places.state_dir}; --purge removes them")


def _take_down(places: Places, say: Say) -> None:
    _enter(places)
    for role in ("agent", "manager"):
        _stop(places, role, say)
    _detach_all(places)
    _stop(places, "engine", say)
    try:
        remove(places.run_dir)
    except DatapathError as error:
        raise CliError(f"not everything could be removed: {error}", "run `netpersona down` again") from error
    shutil.rmtree(places.run_dir)
    say("nothing is left in the kernel")


def _detach_all(places: Places) -> None:
    """Before the engine stops, so that no packet meets a dead one.

    What cannot be opened, such as pins of another version, goes at once with the pins.
    """
    if not os.path.ismount(pins_path(places.run_dir)):
        return
    try:
        with closing(KernelDatapath.open(places.run_dir)) as datapath:
            for entry in datapath.attached():
                datapath.detach(entry.attachment)
    except DatapathError:
        return


@contextmanager
def _undone_on_failure(places: Places, say: Say) -> Iterator[None]:
    """An `up` that fails, or is interrupted, leaves nothing where nothing was before it."""
    fresh = not _survivor(places) and not os.path.ismount(pins_path(places.run_dir))
    try:
        yield
    except BaseException:
        if fresh:
            _take_down(places, lambda _: None)
            say("took back what was started")
        raise


def _start_manager(places: Places, listen: str, uid: int, gid: int, say: Say) -> Iterator[str]:
    if _find(places, "manager") and _answers(places, "/readyz"):
        return
    _stop(places, "manager", say)
    with listening(places, listen) as (unix, tcp):
        command = [
            *("--fd-unix", str(unix.fileno()), "--fd-tcp", str(tcp.fileno())),
            *("--state-dir", str(places.state_dir), "--uid", str(uid), "--gid", str(gid)),
        ]
        process = _spawn(places, "manager", command, (unix.fileno(), tcp.fileno()))
        write_record(places, Record(bound_address(tcp), processes.namespace("net"), _netns_path()))
    _await(places, "manager", process, lambda: _answers(places, "/readyz"), say)
    yield "manager"


def _start_engine(places: Places, datapath: KernelDatapath, say: Say) -> Iterator[str]:
    if _find(places, "engine") and _within(BEAT_S, lambda: datapath.engine().alive):
        return
    _stop(places, "engine", say)
    process = _spawn(places, "engine", ["--run-dir", str(places.run_dir)])
    _await(places, "engine", process, lambda: datapath.engine().alive, say)
    yield "engine"


def _start_agent(places: Places, say: Say) -> Iterator[str]:
    agents = _find(places, "agent")
    if agents and _within(REPORT_S, lambda: _reported(places, agents[0])):
        return
    _stop(places, "agent", say)
    command = [
        *("--run-dir", str(places.run_dir), "--state-dir", str(places.state_dir)),
        *("--manager", f"unix:{places.socket}", "--host", HOST),
    ]
    process = _spawn(places, "agent", command)
    _await(places, "agent", process, lambda: _reported(places, process), say)
    yield "agent"


def _spawn(places: Places, role: str, options: Sequence[str], pass_fds: Sequence[int] = ()) -> Process:
    process = processes.spawn(
        [sys.executable, "-m", MODULES[role], *options],
        log=places.log(role),
        environment={**os.environ, processes.MARKER: str(places.run_dir)},
        pass_fds=pass_fds,
        nice=NICE[role],
    )
    processes.write_pidfile(places.pidfile(role), process)
    return process


def _await(places: Places, role: str, process: Process, ready: Callable[[], bool], say: Say) -> None:
    deadline = time.monotonic() + READY_S
    while not ready():
        if not process.alive():
            raise _failed(places, role, "ended right after its start")
        if time.monotonic() > deadline:
            raise _failed(places, role, f"was not ready after {READY_S:.0f} s")
        time.sleep(0.02)
    say(f"{role} runs (pid {process.pid})")


def _within(patience_s: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + patience_s
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return held


def _failed(places: Places, role: str, what: str) -> CliError:
    log = places.log(role)
    lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
    return CliError(
        f"the {role} {what}",
        f"its whole log is {log}",
        [f"{role}: {line}" for line in lines],
    )


def _stop(places: Places, role: str, say: Say) -> None:
    for process in _find(places, role):
        if not processes.stop(process, grace_s=GRACE_S):
            raise CliError(f"the {role} (pid {process.pid}) does not end", "see what holds it: `ps -o wchan`")
        say(f"{role} stopped")
    places.pidfile(role).unlink(missing_ok=True)


def _find(places: Places, role: str) -> list[Process]:
    """Every process of a role: the recorded one, and any that an interrupted `up` left unrecorded."""
    recorded = processes.read_pidfile(places.pidfile(role))
    others = processes.find(MODULES[role], places.run_dir)
    return list(dict.fromkeys([*([recorded] if recorded else []), *others]))


def _answers(places: Places, path: str) -> bool:
    return _get(places, path) is not None


def _reported(places: Places, agent: Process) -> bool:
    """Whether this very agent has told the manager of itself, a moment ago."""
    answer = _get(places, f"/v1/hosts/{HOST}")
    if answer is None or answer.json().get("pid") != agent.pid:
        return False
    age = datetime.now(UTC) - datetime.fromisoformat(answer.json()["seen_at"])
    return age.total_seconds() < REPORT_S


def _get(places: Places, path: str) -> httpx2.Response | None:
    """A successful answer of the manager's Unix socket, else None."""
    transport = httpx2.HTTPTransport(uds=str(places.socket))
    try:
        with httpx2.Client(transport=transport, base_url="http://netpersona", timeout=2) as client:
            answer = client.get(path)
    except httpx2.TransportError:
        return None
    return answer if answer.is_success else None


def _open(places: Places) -> KernelDatapath:
    try:
        return KernelDatapath.open(places.run_dir)
    except DatapathError as error:
        raise CliError(f"the kernel part could not be set up: {error}") from error


def _join(places: Places) -> None:
    """Before repairing: see what the running part sees. It must be in our network namespace."""
    record = read_record(places)
    survivor = _survivor(places)
    if record and record.netns != processes.namespace("net"):
        where = record.netns_path or f"with inode {record.netns}"
        raise CliError(
            f"netpersona is up in another network namespace ({where})",
            "run `netpersona down` first, or give this one its own --run-dir and --state-dir",
        )
    if survivor:
        _see_mounts_of(survivor)


def _enter(places: Places) -> None:
    """Before taking down: go where `up` was run, by a process of it that lives, else by its record."""
    survivor = _survivor(places)
    record = read_record(places)
    if survivor:
        processes.join_network_namespace(Path(f"/proc/{survivor.pid}/ns/net"))
        _see_mounts_of(survivor)
    elif record and record.netns != processes.namespace("net"):
        path = processes.network_namespace_path(record.netns)
        if path:
            processes.join_network_namespace(path)


def _see_mounts_of(process: Process) -> None:
    if processes.namespace("mnt", process.pid) != processes.namespace("mnt"):
        processes.join_mount_namespace(process)


def _survivor(places: Places) -> Process | None:
    return next((process for role in MODULES for process in _find(places, role)), None)


def _netns_path() -> str | None:
    path = processes.network_namespace_path(processes.namespace("net"))
    return str(path) if path else None


@contextmanager
def _locked(places: Places) -> Iterator[None]:
    """One `up` or `down` at a time for a run directory. The lock is on the directory itself."""
    while True:
        places.run_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(places.run_dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # A `down` that held the lock before us has removed the directory we opened.
            if places.run_dir.is_dir() and os.path.samestat(os.fstat(descriptor), places.run_dir.stat()):
                yield
                return
        finally:
            os.close(descriptor)


def _require_root(command: str) -> None:
    if os.geteuid() != 0:
        raise CliError(f"`netpersona {command}` needs root", f"run `sudo netpersona {command}`")
