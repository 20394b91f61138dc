"""``python -m netpersona.control``: the manager on sockets that it inherits, or opens for development."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Final

import structlog
import uvloop

from netpersona.control import privileges
from netpersona.control.http.server import Listener, serve
from netpersona.control.identity.auth import NoAuth, TokenAuth, load_tokens
from netpersona.control.identity.authority import SOCKET, Authority, bracketed
from netpersona.control.service import Service
from netpersona.control.store.sqlite import SqliteStore, StoreUnusable
from netpersona.control.warmup import warm_up
from netpersona.logs import set_up

_SELDOM: Final = 100
"""Garbage collections before one of everything, 10 by default: with a thousand workloads it takes 20 ms."""

_log = structlog.get_logger(__name__)


def main(arguments: list[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    set_up(logging.CRITICAL)  # what warming up does is no news
    uvloop.run(warm_up())
    gc.freeze()  # what is loaded now stays: collections need not look at it, which would take 30 ms
    gc.set_threshold(*gc.get_threshold()[:2], _SELDOM)
    set_up()
    directory = Path(options.state_dir) / "manager"
    try:
        _settle(directory, options.uid, options.gid)
        uvloop.run(_run(options, directory))
    except (OSError, StoreUnusable, ValueError) as error:
        _log.error("cannot start", error=str(error))
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m netpersona.control", description=__doc__)
    parser.add_argument("--state-dir", required=True, help="keeps <state-dir>/manager/{netpersona.db,token}")
    parser.add_argument("--fd-unix", type=int, help="a listening Unix socket, inherited; needs no token")
    parser.add_argument("--fd-tcp", type=int, help="a listening TCP socket, inherited; needs a token")
    parser.add_argument("--unix", help="listen on this path (mode 0600)")
    parser.add_argument("--tcp", help="listen on HOST:PORT")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=os.environ.get("NETPERSONA_ALLOW_HOST", "").split(),
        metavar="NAME",
        help="a name under which clients ask (header Host) besides localhost and the address listened on",
    )
    parser.add_argument("--uid", type=int, help="become this user before touching the state")
    parser.add_argument("--gid", type=int, help="and this group; the uid if left out")
    return parser


def _settle(directory: Path, uid: int | None, gid: int | None) -> None:
    """Everything is imported by now: give up root, then own the state."""
    if uid is None:
        privileges.hand_over(directory, os.geteuid(), os.getegid())
    else:
        group = uid if gid is None else gid
        privileges.hand_over(directory, uid, group)
        privileges.drop(uid, group)
    privileges.forbid_new_privileges()
    os.umask(0o077)


async def _run(options: argparse.Namespace, directory: Path) -> None:
    store = SqliteStore(directory / "netpersona.db")
    service = Service(store)
    try:
        tokens, made = load_tokens(directory / "token")
        if made and sys.stdout.isatty():
            print(f"token: {tokens[0]}", flush=True)
        _log.info("token", file=str(directory / "token"), made=made)
        await serve(service, _listeners(options, TokenAuth(tokens)))
    finally:
        service.close()


def _listeners(options: argparse.Namespace, token: TokenAuth) -> list[Listener]:
    """Raises OSError, and ValueError if there is none."""
    local = Authority([*SOCKET, *options.allow_host])
    listeners = []
    if options.fd_unix is not None:
        listeners.append(Listener(socket.socket(fileno=options.fd_unix), NoAuth(), local))
    if options.fd_tcp is not None:
        listeners.append(_over_tcp(socket.socket(fileno=options.fd_tcp), options.allow_host, token))
    if options.unix is not None:
        listeners.append(Listener(_unix_socket(options.unix), NoAuth(), local))
    if options.tcp is not None:
        listeners.append(_over_tcp(_tcp_socket(options.tcp), options.allow_host, token))
    if not listeners:
        raise ValueError("nowhere to listen; give --fd-unix, --fd-tcp, --unix or --tcp")
    return listeners


def _over_tcp(listening: socket.socket, names: list[str], token: TokenAuth) -> Listener:
    return Listener(listening, token, Authority([bracketed(listening.getsockname()[0]), *names]))


def _unix_socket(path: str) -> socket.socket:
    Path(path).unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listening.bind(path)  # the umask makes it 0600
    return listening


def _tcp_socket(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    if not port.isdecimal():
        raise ValueError(f"{address} is not HOST:PORT; write 127.0.0.1:8470")
    return socket.create_server((host.strip("[]") or "127.0.0.1", int(port)), reuse_port=False)


if __name__ == "__main__":
    sys.exit(main())
