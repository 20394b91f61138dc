"""A real manager: its own process, SQLite on disk, a Unix socket and loopback TCP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

START_S = 30.0


@dataclass
class Manager:
    process: subprocess.Popen[bytes]
    state: Path
    path: Path
    port: int

    @property
    def token(self) -> str:
        return (self.state / "manager" / "token").read_text().strip()

    def unix(self) -> httpx2.Client:
        transport = httpx2.HTTPTransport(uds=str(self.path))
        return httpx2.Client(transport=transport, base_url="http://netpersona", timeout=10, trust_env=False)

    def tcp(self, token: str | None = None) -> httpx2.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx2.Client(
            base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=10, trust_env=False
        )

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Seconds until the process ended."""
        started = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(timeout=10)
        return time.monotonic() - started


@contextmanager
def manager(
    state: Path, *more: str, environment: dict[str, str] | None = None, enter: Sequence[str] = ()
) -> Iterator[Manager]:
    """Starts a manager on sockets that it inherits, as ``netpersona up`` does."""
    path = state / "api.sock"
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as unix, socket.create_server(("127.0.0.1", 0)) as tcp:
        unix.bind(str(path))
        unix.listen()
        command = [*enter, sys.executable, "-m", "netpersona.control", "--state-dir", str(state)]
        command += ["--fd-unix", str(unix.fileno()), "--fd-tcp", str(tcp.fileno()), *more]
        with (state / "log").open("ab") as log:
            process = subprocess.Popen(
                command,
                pass_fds=(unix.fileno(), tcp.fileno()),
                stderr=log,
                stdout=log,
                env=os.environ | (environment or {}),
            )
        running = Manager(process, state, path, tcp.getsockname()[1])
    try:
        _until_ready(running)
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _until_ready(running: Manager) -> None:
    """The socket listens before the manager runs, so the first answer is the sign."""
    with running.unix() as client:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and running.process.poll() is None:
            try:
                client.get("/readyz", timeout=START_S).raise_for_status()
                return
            except httpx2.TransportError:
                time.sleep(0.05)
    raise AssertionError((running.state / "log").read_text())


@pytest.fixture(scope="session")
def start() -> Callable[..., AbstractContextManager[Manager]]:
    """For tests that stop, kill or configure a manager."""
    return manager


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    """One manager for all tests that can live side by side; each uses names of its own."""
    with manager(tmp_path_factory.mktemp("manager")) as running:
        yield running
        log = (running.state / "log").read_text()
        assert "level=error" not in log
        assert "Traceback" not in log


@pytest.fixture
def client(shared: Manager) -> Iterator[httpx2.Client]:
    with shared.unix() as client:
        yield client
