"""Running the manager: one event loop, one service, a uvicorn server for each listener."""

from __future__ import annotations

import asyncio
import gc
import resource
import signal
import socket
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
import uvicorn

from netpersona.control.http.api import create_app
from netpersona.control.http.protocol import KEEP_ALIVE_S, Connection, Waiting
from netpersona.control.http.shortcut import Switch
from netpersona.control.identity.admission import Admission
from netpersona.control.identity.auth import Auth
from netpersona.control.identity.authority import Authority
from netpersona.control.problems import Conflict
from netpersona.control.resources.contents import COLLECT_EVERY_S
from netpersona.control.service import Service
from netpersona.control.store.protocol import StoreClosed, StoreError

GRACE_S: Final = 1
"""How long answers under way may take once the manager was told to stop."""
DESCRIPTORS_BOUND: Final = 16_384
"""Files that the manager opens at most, connections included, where the system allows so many."""
DESCRIPTORS_OF_OURS: Final = 64
"""Of them for the store, logs and the loop."""
_RETRY_S: Final = 1.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Listener:
    """A bound socket, who may speak on it, and under which names."""

    socket: socket.socket
    auth: Auth
    authority: Authority


class _Server(uvicorn.Server):
    """Leaves signals to ``serve``: two servers would take them from each other."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(service: Service, listeners: Sequence[Listener]) -> None:
    """Answers on all listeners until SIGTERM or SIGINT; then ends watches and returns within 2 s."""
    connections = (_descriptors() - DESCRIPTORS_OF_OURS) // len(listeners)
    servers = [_server(service, listener, connections) for listener in listeners]
    gc.freeze()  # the applications stay, too
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    timers = [asyncio.create_task(forever(service)) for forever in _TIMERS]
    running = [
        asyncio.create_task(server.serve([listener.socket]))
        for server, listener in zip(servers, listeners, strict=True)
    ]
    stopped = asyncio.create_task(stopping.wait())
    _log.info("ready", listeners=[str(listener.socket.getsockname()) for listener in listeners])
    await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
    for task in (*timers, stopped):
        task.cancel()
    service.end_watches()
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*running)
    service.close()
    _log.info("stopped")


async def expire_forever(service: Service) -> None:
    """The expiry timer; a store that cannot write is tried again."""
    while True:
        try:
            await service.assignments.expire_forever()
        except StoreClosed:
            return
        except (StoreError, sqlite3.Error, Conflict) as error:
            _log.error("cannot write that a persona expired", error=str(error))
            await asyncio.sleep(_RETRY_S)


async def collect_forever(service: Service) -> None:
    """Removes what nothing refers to, from the start on: a manager may have been killed."""
    while True:
        try:
            await service.requirements.retire()
            await service.contents.collect()
        except StoreClosed:
            return
        except (StoreError, sqlite3.Error) as error:
            _log.error("cannot remove personas and documents that nobody wears", error=str(error))
        await asyncio.sleep(COLLECT_EVERY_S)


async def adapt_forever(service: Service) -> None:
    """The loop of adaptation. A defect of it stops no more than one pass."""
    while True:
        try:
            await service.adaptation_loop.forever()
        except StoreClosed:
            return
        except (StoreError, sqlite3.Error) as error:
            _log.error("cannot write what was decided", error=str(error))
        except Exception:
            _log.exception("a pass of adaptation failed")
        await asyncio.sleep(_RETRY_S)


_TIMERS: Final = (expire_forever, collect_forever, adapt_forever)


def _descriptors() -> int:
    """Raises the soft limit, which is often 1,024, and returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    bound = DESCRIPTORS_BOUND if hard == resource.RLIM_INFINITY else min(hard, DESCRIPTORS_BOUND)
    resource.setrlimit(resource.RLIMIT_NOFILE, (bound, hard))
    return bound


def _server(service: Service, listener: Listener, connections: int) -> _Server:
    switch = Switch(service, Admission(listener.auth, listener.authority))
    config = uvicorn.Config(
        create_app(service, listener.auth, listener.authority),
        http=partial(Connection, waiting=Waiting(connections), early=switch),  # type: ignore[arg-type]
        timeout_keep_alive=KEEP_ALIVE_S,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        backlog=256,
        timeout_graceful_shutdown=GRACE_S,
    )
    config.load()
    return _Server(config)
