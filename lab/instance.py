"""A whole netpersona in a lab's host, by its command, with directories of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from lab.namespaces import Lab, Namespace, Workload
from netpersona import _engine
from netpersona.datapath.processes import Process, read_pidfile

COMMAND = Path(sys.executable).with_name("netpersona")
ROLES = ("manager", "agent", "engine")


@dataclass(frozen=True)
class Instance:
    host: Namespace
    run_dir: Path
    state_dir: Path
    supervised: bool = False
    """Whether what dies is started again. Most tests want what they killed to stay dead."""

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        where = ["--run-dir", str(self.run_dir), "--state-dir", str(self.state_dir)]
        alone = ["--no-supervise"] if arguments[:1] == ("up",) and not self.supervised else []
        return self.host.run(str(COMMAND), *where, *arguments, *alone, check=check, timeout=60)

    def process(self, role: str) -> Process | None:
        return read_pidfile(self.run_dir / f"{role}.pid")

    def kill(self, role: str) -> None:
        """kill -9, and wait until it is dead."""
        self.end(role, signal.SIGKILL)

    def end(self, role: str, how: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal, and wait until it has ended."""
        process = self.process(role)
        assert process is not None
        os.kill(process.pid, how)
        eventually(lambda: not process.alive())

    def client(self) -> httpx2.Client:
        """A client of the Unix socket."""
        transport = httpx2.HTTPTransport(uds=str(self.run_dir / "api.sock"))
        return httpx2.Client(transport=transport, base_url="http://netpersona", timeout=20)

    def request(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        with self.client() as client:
            answer = (
                client.request(method, path, json=body) if body is not None else client.request(method, path)
            )
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return dict(answer.json()) if answer.content else {}

    def add(self, workload: Workload, name: str = "web") -> None:
        spec = {"kind": "netns", "netns": workload.namespace.name, "interface": workload.interface}
        self.request("POST", "/v1/workloads", {"workload_id": name, **spec})
        eventually(lambda: self.status(name).get("phase") == "attached")

    def define(self, persona: Mapping[str, Any]) -> None:
        """Create the persona."""
        self.request("POST", "/v1/personas", persona)

    def put_on(self, persona: Mapping[str, Any], name: str = "web", **assignment: Any) -> dict[str, Any]:
        """Create the persona and assign it; answers the status once it is applied."""
        self.define(persona)
        return self.assign(persona["persona_id"], name, **assignment)

    def assign(self, persona_id: str, name: str = "web", **assignment: Any) -> dict[str, Any]:
        path = f"/v1/workloads/{name}/persona?wait=10s"
        resource = self.request("PUT", path, {"persona_id": persona_id, **assignment})
        assert resource["status"]["applied_sequence"] == resource["sequence"], resource
        return dict(resource["status"])

    def release(self, name: str = "web") -> None:
        self.request("DELETE", f"/v1/workloads/{name}/persona?wait=10s")

    def status(self, name: str = "web") -> dict[str, Any]:
        return dict(self.request("GET", f"/v1/workloads/{name}").get("status") or {})

    def clear(self) -> None:
        """Up, whatever was killed, and without workloads and personas, as after its first `up`."""
        if not all(self.process(role) for role in ROLES):
            self.command("up")
        for kind, key in (("workloads", "workload_id"), ("personas", "persona_id")):
            for item in self.request("GET", f"/v1/{kind}")["items"]:
                self.request("DELETE", f"/v1/{kind}/{item[key]}")
        eventually(lambda: not self.attached_ifindexes())

    def attached_ifindexes(self) -> set[int]:
        """Interfaces that the kernel programs look after. Reads the pinned map; touches nothing."""
        return {ifindex for ifindex, *_ in _engine.load(self.run_dir / "bpf").attached()}

    def pinned(self) -> set[tuple[str, int]]:
        """Kind and id of every program, map and link that is pinned."""
        found = set()
        for pin in self.run_dir.joinpath("bpf").rglob("*"):
            for kind in ("prog", "map", "link"):
                shown = _bpftool(kind, "show", "pinned", str(pin)) if pin.is_file() else None
                if shown:
                    found.add((kind, int(shown["id"])))
        return found


def alive(objects: set[tuple[str, int]]) -> set[tuple[str, int]]:
    """Those that the kernel still has."""
    return {(kind, number) for kind, number in objects if _bpftool(kind, "show", "id", str(number))}


def _bpftool(*arguments: str) -> dict[str, Any] | None:
    result = subprocess.run(["bpftool", "-j", *arguments], capture_output=True, text=True, check=False)
    document = json.loads(result.stdout or "{}") if result.returncode == 0 else {}
    return document if isinstance(document, dict) and "id" in document else None


def traces(host: Namespace) -> list[str]:
    """Links, qdiscs and filters of a namespace, as text to compare."""
    links = json.loads(host.run("ip", "-j", "link").stdout)
    text = [f"{link['ifname']} {link.get('kind')} {link['mtu']}" for link in links]
    text.append(host.run("tc", "qdisc", "show").stdout)
    text += [
        host.run("tc", "filter", "show", "dev", link["ifname"], side).stdout
        for link in links
        for side in ("ingress", "egress")
    ]
    text.append(host.run("nft", "list", "ruleset").stdout)
    return text


def eventually(condition: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


@contextmanager
def instance(network: Lab, *, supervised: bool = False) -> Iterator[Instance]:
    """Not up yet; whatever is up at the end is taken down."""
    base = Path(tempfile.mkdtemp(prefix="netpersona-lab-"))
    base.chmod(0o755)
    made = Instance(network.host, base / "run", base / "state", supervised)
    try:
        yield made
    finally:
        if made.run_dir.exists():  # nothing is up without it
            made.command("down", check=False)
        shutil.rmtree(base)
