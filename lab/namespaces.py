"""Small networks of our own for tests: a host with a bridge, and workloads behind veths.

Every namespace is named `np-t<pid>-…` and is removed on the way out, also when a test fails. The
machine's own namespace is never touched. The host namespace stands for the machine that the agent
runs on; `Namespace.entered()` moves the calling thread into it.
"""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pyroute2 import netns

T = TypeVar("T")

_serial = itertools.count()


@dataclass(frozen=True)
class Namespace:
    """A named network namespace."""

    name: str

    @property
    def path(self) -> Path:
        return Path("/run/netns") / self.name

    def command(self, *argv: str) -> list[str]:
        """`argv` so that it runs inside. nsenter keeps the mounts (bpffs), which `ip netns exec` does not."""
        return ["nsenter", f"--net={self.path}", *argv]

    def run(
        self, *argv: str, check: bool = True, timeout: float = 30, stdin: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        result = subprocess.run(
            self.command(*argv), capture_output=True, text=True, timeout=timeout, input=stdin, check=False
        )
        if check and result.returncode != 0:
            raise AssertionError(f"{' '.join(argv)} in {self.name}: {result.stderr.strip()}")
        return result

    @contextmanager
    def spawn(self, *argv: str) -> Iterator[subprocess.Popen[str]]:
        """A process inside, ended on the way out."""
        with subprocess.Popen(
            self.command(*argv), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread is inside for the length of the block."""
        with Path("/proc/thread-self/ns/net").open("rb") as before:
            netns.setns(str(self.path))
            try:
                yield
            finally:
                netns.setns(before.fileno())

    def call(self, function: Callable[[], T]) -> T:
        """`function()` in a thread that is inside: sockets it makes belong to this namespace."""

        def inside() -> T:
            netns.setns(str(self.path))
            return function()

        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(inside).result()


@dataclass(frozen=True)
class Workload:
    """A namespace with one interface, `eth0`, whose peer is on the host's bridge."""

    namespace: Namespace
    host_interface: str
    ipv4: str
    ipv6: str
    mac: str
    interface: str = "eth0"


@dataclass
class Lab:
    host: Namespace
    workloads: list[Workload] = field(default_factory=list)
    bridge: str = "br0"


def _create(name: str) -> None:
    subprocess.run(["ip", "netns", "add", name], check=True)


def _delete(name: str) -> None:
    subprocess.run(["ip", "netns", "delete", name], check=True)


def _batch(namespace: Namespace, lines: Sequence[str]) -> None:
    namespace.run("ip", "-batch", "-", stdin="\n".join(lines) + "\n")


def _quiet(namespace: Namespace) -> None:
    """No router solicitations and no addresses made up: what is on the wire is what a test sent."""
    for scope in ("all", "default"):
        namespace.run("sysctl", "-qw", f"net.ipv6.conf.{scope}.addr_gen_mode=1")
        namespace.run("sysctl", "-qw", f"net.ipv6.conf.{scope}.accept_ra=0")


def _join(lab: Lab, namespace: Namespace, number: int) -> Workload:
    workload = Workload(
        namespace=namespace,
        host_interface=f"w{number}",
        ipv4=f"10.77.0.{number + 1}",
        ipv6=f"fd77::{number + 1:x}",
        mac=f"02:00:00:00:77:{number + 1:02x}",
    )
    _batch(
        lab.host,
        [
            f"link add {workload.host_interface} type veth peer name eth0 address {workload.mac}"
            f" netns {namespace.name}",
            f"link set {workload.host_interface} master {lab.bridge} up",
        ],
    )
    _batch(
        namespace,
        [
            "link set lo up",
            "link set eth0 up",
            f"address add {workload.ipv4}/24 dev eth0",
            f"address add {workload.ipv6}/64 dev eth0 nodad",
        ],
    )
    return workload


@contextmanager
def lab(workloads: int = 2) -> Iterator[Lab]:
    """A host namespace with a bridge and `workloads` workload namespaces joined to it.

    Raises:
        subprocess.CalledProcessError: namespaces cannot be made (the tests need root).
    """
    base = f"np-t{os.getpid()}-{next(_serial)}"
    with ExitStack() as stack:

        def namespace(suffix: str) -> Namespace:
            name = f"{base}-{suffix}"
            _create(name)
            stack.callback(_delete, name)
            made = Namespace(name)
            _quiet(made)
            return made

        built = Lab(host=namespace("host"))
        _batch(
            built.host,
            [
                "link set lo up",
                f"link add {built.bridge} type bridge mcast_snooping 0",
                f"link set {built.bridge} up",
            ],
        )
        for number in range(workloads):
            built.workloads.append(_join(built, namespace(f"w{number}"), number))
        yield built
