"""Where `up` puts things, and who may read them: directories, the manager's user, its sockets."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pwd
import socket
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from netpersona.cli.errors import CliError

ROOM_BYTES = 1 << 20
"""Free space without which nothing is started: a store could not even be made."""
UID_RANGE = range(61184, 65520)
"""Users that are nobody's: systemd takes its DynamicUser= from the same range (systemd.exec(5))."""


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
    """What `up` notes for later commands. `netns` is an inode, `netns_path` a file that stands for it."""

    listen: str
    netns: int
    netns_path: str | None


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


def make_directories(places: Places, user: str | None) -> tuple[int, int]:
    """Create what is missing; uid and gid of the manager, which owns its own part of the state."""
    for directory, mode in (
        (places.run_dir, 0o755),
        (places.state_dir, 0o755),
        (places.state_dir / "log", 0o700),
        (places.state_dir / "agent", 0o700),
        (places.manager_state, 0o700),
    ):
        directory.mkdir(mode=mode, parents=True, exist_ok=True)
    uid, gid = _manager_user(places, user)
    _own(places.manager_state, uid, gid)
    _check_reachable(places.manager_state, uid)
    _check_room(places.state_dir)
    return uid, gid


def _manager_user(places: Places, user: str | None) -> tuple[int, int]:
    if user is not None:
        try:
            entry = pwd.getpwnam(user)
        except KeyError:
            raise CliError(f"there is no user {user}", "create it, or leave --user out") from None
        return entry.pw_uid, entry.pw_gid
    owner = places.manager_state.stat()
    if owner.st_uid != 0:
        return owner.st_uid, owner.st_gid
    uid = _free_uid(str(places.state_dir))
    return uid, uid


def _free_uid(seed: str) -> int:
    """A user id that no account has; the same directory gets the same one."""
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    start = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") % len(UID_RANGE)
    for offset in range(len(UID_RANGE)):
        uid = UID_RANGE[(start + offset) % len(UID_RANGE)]
        if uid not in taken:
            return uid
    raise CliError("no user id from 61184 to 65519 is free", "name a user for the manager with --user")


def _own(directory: Path, uid: int, gid: int) -> None:
    """Symbolic links are not followed: the directory's user could have put them there."""
    os.chown(directory, uid, gid)
    for entry in directory.iterdir():
        os.chown(entry, uid, gid, follow_symlinks=False)


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
