"""Processes of ours: started detached, known by pid and start time, stopped without mistaking another.

A pid alone is not an identity: the kernel reuses it. The pair of pid and start time (proc(5), stat,
field 22, clock ticks since boot) is, within one boot. Signals and namespaces go through a pidfd
(Linux 5.3, setns 5.8), which cannot come to mean another process.

Anybody may choose arguments, environment and paths; only the kernel says whose a process is. Nothing of
a process is read, and nothing joined, before that.
"""

from __future__ import annotations

import ctypes
import json
import os
import select
import signal
import subprocess
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from netpersona.datapath.schedule import hasten

_PROC = Path("/proc")
_CLONE_NEWNS = 0x00020000
_CLONE_NEWNET = 0x40000000
_CAP_SYS_ADMIN = 21  # include/uapi/linux/capability.h
ROOT = frozenset({0})


@dataclass(frozen=True)
class Process:
    """Identity of a process within this boot."""

    pid: int
    starttime: int

    def alive(self) -> bool:
        """Whether it still runs; a zombie does not."""
        return identify(self.pid) == self


def boot_id() -> str:
    """Changes with every boot of the machine; the monotonic clock starts over with it."""
    return (_PROC / "sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> Process | None:
    """The process that has this pid now, or None if there is none or it is a zombie."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The command, field 2, is in brackets and may itself hold blanks and brackets.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else Process(pid, int(fields[19]))


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    pass_fds: Sequence[int] = (),
    nice: int = 0,
) -> Process:
    """Start a process that outlives this one: own session, no stdin, output appended to `log`.

    `nice` is as in nice(1), a negative one needs root; unless it is 0, see `hasten`.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=dict(environment),
            cwd="/",
            pass_fds=pass_fds,
            start_new_session=True,
        )
    if nice:
        hasten(child.pid, nice)
    # It is init's to reap once we are gone; while we last, `identify` sees through zombies.
    child.returncode = 0
    process = identify(child.pid)
    return process or Process(child.pid, 0)


def watch(process: Process) -> int | None:
    """A pidfd, readable once the process ends and the caller's to close; None if it has ended."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return None
    if process.alive():
        return descriptor
    os.close(descriptor)
    return None


def stop(process: Process, *, grace_s: float = 5.0) -> bool:
    """SIGTERM, then SIGKILL after `grace_s`. True once it is gone, which it also is if it never was."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        if not process.alive():
            return True
        for signum, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, grace_s)):
            signal.pidfd_send_signal(descriptor, signum)
            signal.pidfd_send_signal(descriptor, signal.SIGCONT)  # one that was stopped acts on neither
            if select.select([descriptor], [], [], wait_s)[0]:
                return True
        return False
    except ProcessLookupError:
        return True
    finally:
        os.close(descriptor)


def write_pidfile(path: Path, process: Process) -> None:
    """Record an identity, whole or not at all."""
    aside = path.with_suffix(".pid.new")
    aside.write_text(
        json.dumps({"pid": process.pid, "starttime": process.starttime, "boot": boot_id()}),
    )
    aside.replace(path)


def read_pidfile(path: Path) -> Process | None:
    """The recorded process if it still runs; None for a missing or damaged file, or one of another boot."""
    try:
        document = json.loads(path.read_text())
        process = Process(int(document["pid"]), int(document["starttime"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # Files of releases before 0.1 name no boot.
    return process if document.get("boot", boot_id()) == boot_id() and process.alive() else None


def belongs(process: Process, uids: Collection[int] = ROOT) -> bool:
    """Whether all its uids are of these, in our own user namespace; one of root must have root's power, too.

    Root of a container is not root: without CAP_SYS_ADMIN here it must not be taken for us.
    """
    try:
        status = (_PROC / str(process.pid) / "status").read_text()
        same = namespace("user", process.pid) == namespace("user")
    except OSError:
        return False
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    owners = {int(uid) for uid in fields["Uid"].split()}
    able = bool(int(fields["CapPrm"], 16) >> _CAP_SYS_ADMIN & 1)
    return same and owners <= set(uids) and (able or 0 not in owners) and process.alive()


MARKER = "NETPERSONA_OWNED_BY"
"""Environment variable by which `find` knows a process of ours; its value is the run directory."""


def find(module: str, run_dir: Path, uids: Collection[int] = ROOT) -> Iterator[Process]:
    """Processes of `uids` running `python -m module` that were started for this very run directory.

    For those whose pid file was never written, because `up` was killed right after starting them.
    A container may use the same path for another directory, so device and inode must agree too.
    """
    for entry in _PROC.iterdir():
        process = identify(int(entry.name)) if entry.name.isdigit() else None
        # Whose it is comes first: reading the memory or the root of a stranger's process may never end.
        if process and belongs(process, uids) and _runs(entry, module, run_dir) and process.alive():
            yield process


def _runs(entry: Path, module: str, run_dir: Path) -> bool:
    try:
        arguments = (entry / "cmdline").read_bytes().split(b"\0")
        if arguments[1:3] != [b"-m", module.encode()]:
            return False
        if f"{MARKER}={run_dir}".encode() not in (entry / "environ").read_bytes().split(b"\0"):
            return False
        return run_dir.samefile(entry / "root" / run_dir.relative_to("/"))
    except OSError:
        return False


def unit_of(process: Process) -> str | None:
    """The systemd service whose control group it is in (cgroups(7)), if it is in one."""
    try:
        lines = (_PROC / str(process.pid) / "cgroup").read_text().splitlines()
    except OSError:
        return None
    names = (name for line in lines for name in reversed(line.split("/")))
    return next((name for name in names if name.endswith(".service")), None)


def namespace(kind: str, pid: int | str = "self") -> int:
    """Inode of a process' namespace (`net`, `mnt`): equal inodes are one namespace (namespaces(7))."""
    return (_PROC / str(pid) / "ns" / kind).stat().st_ino


def network_namespace_path(inode: int) -> Path | None:
    """The file under /run/netns that stands for a network namespace, if it has a name."""
    for path in Path("/run/netns").glob("*"):
        try:
            if path.stat().st_ino == inode:
                return path
        except OSError:
            continue
    return None


def join_mount_namespace(process: Process) -> bool:
    """See the mounts that `process` sees; False if it is gone or not root's. Needs one thread.

    `ip netns exec` gives each command a mount namespace of its own, so a bpffs mounted under one
    is invisible under the next.
    """
    directory = Path.cwd()
    with _held(process) as descriptor:
        if descriptor is None:
            return False
        _setns(descriptor, _CLONE_NEWNS)
    if directory.is_dir():
        os.chdir(directory)  # setns(2) leaves us at that namespace's root
    return True


def join_network_namespace_of(process: Process) -> bool:
    """Enter the network namespace of `process`; False if it is gone or not root's."""
    with _held(process) as descriptor:
        if descriptor is None:
            return False
        _setns(descriptor, _CLONE_NEWNET)
    return True


def join_lasting_mounts(*paths: Path) -> bool:
    """Leave a mount namespace that ends with its last process: `ip netns exec` makes one for each command.

    Goes where the eldest of our ancestors is that root runs, unless we are there already. False, and stays,
    if one of `paths` (or what there is of it) is another file there. Needs one thread and CAP_SYS_ADMIN.
    """
    eldest = _eldest()
    if eldest is None or namespace("mnt", eldest.pid) == namespace("mnt"):
        return True
    if not all(_is_same_in(eldest, path) for path in paths):
        return False
    return join_mount_namespace(eldest)


def _eldest() -> Process | None:
    """The ancestor furthest up that root runs and whose mounts may be looked at."""
    eldest, pid = None, os.getppid()
    while pid:
        with suppress(OSError):
            if (_PROC / str(pid)).stat().st_uid == 0 and namespace("mnt", pid):
                eldest = identify(pid) or eldest
        pid = int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return eldest


def _is_same_in(process: Process, path: Path) -> bool:
    while not path.exists():
        path = path.parent
    try:
        return path.samefile(_PROC / str(process.pid) / "root" / path.relative_to("/"))
    except OSError:
        return False


def join_network_namespace(path: Path) -> bool:
    """Enter the network namespace that a file /run/netns/NAME stands for; False if there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        _setns(descriptor, _CLONE_NEWNET)
    finally:
        os.close(descriptor)
    return True


@contextmanager
def _held(process: Process) -> Iterator[int | None]:
    """A pidfd of a process of root's; None if it is gone or another's."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        yield None
        return
    try:
        # Judged after it was opened: what is judged is what the descriptor means.
        yield descriptor if belongs(process) else None
    finally:
        os.close(descriptor)


def _setns(descriptor: int, kind: int) -> None:
    # os.setns came with Python 3.12.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, kind):
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")
