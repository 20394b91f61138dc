"""Where `up` puts things, and who may read them: directories, the manager's user, its sockets."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pwd
import socket
import stat
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from netpersona.cli.directories import Claim, Known
from netpersona.cli.errors import CliError
from netpersona.datapath.exclusive import LOCK

ROOM_BYTES = 1 << 20
"""Free space without which nothing is started: a store could not even be made."""
ACCOUNT = "netpersona"
"""Who the manager runs as where there is such an account, as packages make one."""
UID_RANGE = range(65536, 100_000)
"""Users that nobody gives away: above Debian's and systemd's own (uid-gid, systemd.io/UIDS-GIDS), below
subordinate ones (login.defs, SUB_UID_MIN)."""
_DYNAMIC = range(61184, 65520)
"""systemd's for DynamicUser=: any service may come to have one. Releases before 0.1 took theirs there."""
ROLES = ("supervisor", "manager", "engine", "agent")
RUN_DIR: Known = {
    **dict.fromkeys(("api.sock", "up.json", "up.new", LOCK)),
    **{f"{role}.pid{aside}": None for role in ROLES for aside in ("", ".new")},
    "bpf": {},
}
STATE_DIR: Known = {
    "manager": {
        **{f"netpersona.db{part}": None for part in ("", "-wal", "-shm", "-journal", ".lock")},
        "token": None,
    },
    "agent": {"journal.json": None, "journal.new": None, "hardware": {}},
    "log": {f"{role}.log": None for role in ROLES},
}


@dataclass(frozen=True)
class Places:
    """All paths of one instance, absolute: our processes run in `/` and are known by them."""

    run_dir: Path
    state_dir: Path

    def __post_init__(self) -> None:
        object.__setattr__(self, "run_dir", self.run_dir.resolve())
        object.__setattr__(self, "state_dir", self.state_dir.resolve())

    @property
    def socket(self) -> Path:
        return self.run_dir / "api.sock"

    @property
    def record(self) -> Path:
        return self.run_dir / "up.json"

    @property
    def token(self) -> Path:
        return self.manager_state / "token"

    @property
    def manager_state(self) -> Path:
        return self.state_dir / "manager"

    def pidfile(self, role: str) -> Path:
        return self.run_dir / f"{role}.pid"

    def log(self, role: str) -> Path:
        return self.state_dir / "log" / f"{role}.log"


@dataclass(frozen=True)
class Record:
    """What `up` notes for later ones and the supervisor. `netns` is an inode, `netns_path` a file for it."""

    listen: str
    netns: int
    netns_path: str | None
    allow_host: str = ""
    agent_options: Sequence[str] = ()


def write_record(places: Places, record: Record) -> None:
    aside = places.record.with_suffix(".new")
    aside.write_text(json.dumps(asdict(record)) + "\n")
    aside.replace(places.record)


def read_record(places: Places) -> Record | None:
    """None when nothing is up here, or `up` did not get that far."""
    try:
        return Record(**json.loads(places.record.read_text()))
    except (OSError, ValueError, TypeError):
        return None


def make_directories(places: Places) -> None:
    """Create what is missing below the state directory."""
    for directory in (places.state_dir / "log", places.state_dir / "agent", places.manager_state):
        directory.mkdir(mode=0o700, exist_ok=True)
    _check_room(places.state_dir)


def manager_user(places: Places, state: Claim, user: str | None) -> tuple[int, int]:
    """Uid and gid of the manager; kept in the state directory's mark, so that a second `up` has the same."""
    owner = _named(user) if user is not None else _noted(state) or _of_before(places) or _of_its_own(places)
    _check_reachable(places.manager_state, owner[0])
    state.note(manager=owner)
    return owner


def manager_owner(places: Places) -> tuple[int, ...]:
    """Uid and gid that the manager's state belongs to; () if there is none yet."""
    try:
        found = os.lstat(places.manager_state)
    except OSError:
        return ()
    return (found.st_uid, found.st_gid)


def _named(user: str) -> tuple[int, int]:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        raise CliError(f"there is no user {user}", "create it, or leave --user out") from None
    if entry.pw_uid == 0:
        raise CliError(f"{user} is root, which the manager must not be", "name another, or leave --user out")
    return entry.pw_uid, entry.pw_gid


def _noted(state: Claim) -> tuple[int, int] | None:
    match state.read().get("manager"):
        case [int(uid), int(gid)] if uid > 0:
            return uid, gid
    return None


def _of_before(places: Places) -> tuple[int, int] | None:
    """Who a release without marks gave the state to, unless that may be anybody's."""
    uid, gid = manager_owner(places)
    return None if uid == 0 or uid in _DYNAMIC or not _is_taken(uid) else (uid, gid)


def _of_its_own(places: Places) -> tuple[int, int]:
    try:
        return _named(ACCOUNT)
    except CliError:
        uid = _free_uid(str(places.state_dir))
        return uid, uid


def _free_uid(seed: str) -> int:
    """A user id that no account has; the same directory gets the same one."""
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") % len(UID_RANGE)
    for offset in range(len(UID_RANGE)):
        uid = UID_RANGE[(start + offset) % len(UID_RANGE)]
        if not _is_taken(uid):
            return uid
    raise CliError("no user id from 65536 to 99999 is free", "name a user for the manager with --user")


def _is_taken(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def hand_over(directory: Path, uid: int, gid: int) -> None:
    """Give the directory and the files in it to the manager's user.

    They are root's in between, so that processes of the user of before change nothing under us. Neither
    links nor files with a second name are touched: that user may have put anything there.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        os.fchown(descriptor, 0, 0)
        os.fchmod(descriptor, 0o700)
        for name in sorted(entry.name for entry in os.scandir(descriptor)):
            found = os.lstat(name, dir_fd=descriptor)
            if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
                os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)
        os.fchown(descriptor, uid, gid)
    finally:
        os.close(descriptor)


def _check_reachable(directory: Path, uid: int) -> None:
    for parent in directory.parents:
        found = parent.stat()
        if not found.st_mode & stat.S_IXOTH and found.st_uid != uid:
            raise CliError(
                f"the manager runs without root and could not enter {parent}",
                f"chmod o+x {parent}, or choose another --state-dir",
            )


def _check_room(directory: Path) -> None:
    found = os.statvfs(directory)
    if found.f_bavail * found.f_frsize < ROOM_BYTES:
        raise CliError(
            f"the disk that holds {directory} is full", "free some space, or choose another --state-dir"
        )


@contextmanager
def listening(places: Places, listen: str) -> Iterator[tuple[socket.socket, socket.socket]]:
    """The manager's sockets, Unix and TCP, for a child to inherit; closed here on the way out."""
    host, port = _host_port(listen)
    with closing(_unix(places.socket)) as unix, closing(_tcp(host, port)) as tcp:
        yield unix, tcp


def _unix(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise CliError(f"cannot listen on {path}: {error}", "choose a shorter --run-dir") from error
    finally:
        os.umask(before)
    listener.listen(128)
    return listener


def _tcp(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise CliError(f"cannot listen on {host}: {error}", "write --listen 127.0.0.1:PORT") from error
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        raise _cannot_bind(host, port, error) from error
    listener.listen(128)
    return listener


def _cannot_bind(host: str, port: int, error: OSError) -> CliError:
    if error.errno == errno.EADDRINUSE:
        return CliError(
            f"another program listens on {host}:{port}", "choose another address with --listen HOST:PORT"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return CliError(
            f"{host} is no address of this machine that is up",
            "bring the interface up (`ip link set lo up`), or choose another with --listen HOST:PORT",
        )
    return CliError(f"cannot listen on {host}:{port}: {error.strerror}", "choose another with --listen")


def _host_port(listen: str) -> tuple[str, int]:
    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise CliError(f"--listen {listen} is not an address", "write HOST:PORT, as in 127.0.0.1:8470")
    return host.strip("[]"), int(port)


def bound_address(listener: socket.socket) -> str:
    """HOST:PORT of a listener, brackets around IPv6."""
    address: Any = listener.getsockname()
    host = f"[{address[0]}]" if listener.family == socket.AF_INET6 else address[0]
    return f"{host}:{address[1]}"
