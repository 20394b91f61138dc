"""Bring everything up on this host, and take everything down again.

`up` starts what is missing, so a second one repairs; `down` ends whatever of it is left, so a second one
finds nothing. Either may be interrupted anywhere: the next of them finishes the work. Processes are
known by pid and start time; those that were never written down, by their owner and an environment variable.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from netpersona.cli import roles
from netpersona.cli.directories import Claim, claimed, is_ours
from netpersona.cli.errors import CliError
from netpersona.cli.places import (
    RUN_DIR,
    STATE_DIR,
    Places,
    make_directories,
    manager_user,
    read_record,
)
from netpersona.cli.roles import Say
from netpersona.datapath import (
    Busy,
    DatapathError,
    Incompatible,
    KernelDatapath,
    exclusive,
    hardware_path,
    processes,
    remove,
    restore_interfaces,
)
from netpersona.datapath.processes import Process
from netpersona.datapath.programs.kernel import check_layout, pins_path


@dataclass(frozen=True)
class Running:
    """What `up` leaves behind, for the caller to print. `started` names what was not there before."""

    listen: str
    socket: Path
    token_file: Path
    logs: Path
    started: tuple[str, ...]


def up(
    places: Places,
    *,
    listen: str,
    user: str | None = None,
    agent_options: Sequence[str] = (),
    supervise: bool = True,
    say: Say = print,
) -> Running:
    """Start manager, engine and agent where they do not run, and wait until all are ready.

    `agent_options` are for an agent that is started now; one that runs keeps its own.
    With `supervise` what dies later is started again; without, it is not, also if it was before.

    Raises CliError: not root, an address in use, no such user, a kernel without what is needed, or a
    process that did not become ready (with the end of its log).
    """
    _require_root("up")
    _pin_for_good(places)
    with claimed(places.run_dir, RUN_DIR, say) as run, _undone_on_failure(places, run, say):
        roles.require_no_units(places)
        _join(places)
        _require_known_layout(places)
        with claimed(places.state_dir, STATE_DIR, say) as state:
            make_directories(places)
            owner = manager_user(places, state, user)
            started = roles.start_manager(places, listen, owner, say)
        with closing(_open(places)) as datapath:
            started += roles.start_engine(places, lambda: datapath.engine().alive, say)
            started += roles.start_agent(places, agent_options, say)
        if supervise:
            started += roles.start_supervisor(places, say)
        else:
            roles.stop(places, "supervisor", say)
        record = read_record(places)
    address = record.listen if record else listen
    return Running(address, places.socket, places.token, places.state_dir / "log", tuple(started))


def down(places: Places, *, purge: bool = False, say: Say = print) -> None:
    """Stop everything and remove it from the kernel; with `purge` the state directory as well.

    Raises CliError: not root, a directory that is not ours, or something that would not go.
    """
    _require_root("down")
    processes.join_lasting_mounts(places.run_dir, places.state_dir)
    keeps = is_ours(places.state_dir, STATE_DIR)
    if is_ours(places.run_dir, RUN_DIR):
        roles.require_no_units(places)
        roles.stop(places, "supervisor", say)  # before the lock, which it may hold for long
        with claimed(places.run_dir, RUN_DIR, say) as run:
            _take_down(places, run, say)
            _forget(places, say, purge=purge and keeps)
    else:
        say("nothing was up")
        _forget(places, say, purge=purge and keeps)
    if keeps and not purge:
        say(f"kept personas, workloads and logs in {places.state_dir}; --purge removes them")


def _take_down(places: Places, run: Claim, say: Say) -> None:
    _enter(places)
    # The supervisor again after the agent, which starts one.
    for role in ("supervisor", "agent", "supervisor", "manager"):
        roles.stop(places, role, say)
    _detach_all(places)
    roles.stop(places, "engine", say)
    try:
        if is_ours(places.state_dir, STATE_DIR):
            restore_interfaces(hardware_path(places.state_dir))
        remove(places.run_dir)
    except DatapathError as error:
        raise CliError(f"not everything could be removed: {error}", "run `netpersona down` again") from error
    run.remove(say)
    say("nothing is left in the kernel")


def _forget(places: Places, say: Say, *, purge: bool) -> None:
    if not purge:
        return
    with claimed(places.state_dir, STATE_DIR, say) as state:
        state.remove(say)
    if not places.state_dir.exists():
        say(f"removed {places.state_dir}")


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
def _undone_on_failure(places: Places, run: Claim, say: Say) -> Iterator[None]:
    """An `up` that fails, or is interrupted, leaves nothing where nothing was before it."""
    fresh = not any(roles.find(places, role) for role in roles.MODULES) and not os.path.ismount(
        pins_path(places.run_dir)
    )
    try:
        yield
    except BaseException:
        if fresh:
            _take_down(places, run, lambda _: None)
            say("took back what was started")
        raise


def _require_known_layout(places: Places) -> None:
    """Before anything is changed: what another release enforces goes on until a person says otherwise."""
    try:
        check_layout(places.run_dir)
    except Incompatible as error:
        message = f"another release of netpersona is up; it was left as it is. {error}"
        raise CliError(message, "no persona is in force between the two, for some seconds") from error


def _open(places: Places) -> KernelDatapath:
    """Attachments are left to the agent if there is one."""
    try:
        with exclusive(places.run_dir):
            return KernelDatapath.open(places.run_dir)
    except Busy:
        return KernelDatapath.open(places.run_dir, adopt=False)
    except DatapathError as error:
        raise CliError(f"the kernel part could not be set up: {error}") from error


def _join(places: Places) -> None:
    """Before repairing: see what the running part sees. It must be in our network namespace."""
    record = read_record(places)
    survivor = roles.survivor(places)
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
    survivor = roles.survivor(places)
    record = read_record(places)
    if survivor:
        processes.join_network_namespace_of(survivor)
        _see_mounts_of(survivor)
    elif record and record.netns != processes.namespace("net"):
        path = processes.network_namespace_path(record.netns)
        if path:
            processes.join_network_namespace(path)


def _pin_for_good(places: Places) -> None:
    """What is pinned must outlive all our processes, or a firewall would end with them."""
    if not processes.join_lasting_mounts(places.run_dir, places.state_dir, Path(sys.executable)):
        path = roles.netns_path() or "/run/netns/NAME"
        raise CliError(
            "this mount namespace ends with its last process, and what `up` pins would end with it",
            f"leave it: `nsenter --net={path} netpersona up`",
        )


def _see_mounts_of(process: Process) -> None:
    if processes.namespace("mnt", process.pid) != processes.namespace("mnt"):
        processes.join_mount_namespace(process)


def _require_root(command: str) -> None:
    if os.geteuid() != 0:
        raise CliError(f"`netpersona {command}` needs root", f"run `sudo netpersona {command}`")
    # The initial user namespace maps all there is (user_namespaces(7)); only there may programs be loaded.
    if Path("/proc/self/uid_map").read_text().split() != ["0", "0", "4294967295"]:
        raise CliError(
            f"`netpersona {command}` needs root of the machine, and this is root of a user namespace only",
            f"run `sudo netpersona {command}` outside of it",
        )
