"""The product as a user has it: ``netpersona up`` inside a lab's host, its API, and ``netpersona down``."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from lab.namespaces import Lab, Namespace, Workload

COMMAND = Path(sys.executable).with_name("netpersona")


@dataclass(frozen=True)
class Product:
    """A running netpersona and a client of its Unix socket."""

    host: Namespace
    run_dir: Path
    state_dir: Path
    client: httpx2.Client

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command line tool inside the host."""
        where = ["--run-dir", str(self.run_dir), "--state-dir", str(self.state_dir)]
        return self.host.run(str(COMMAND), *where, *arguments, check=check, timeout=120)

    def add(self, workload: Workload, name: str) -> None:
        """Make ``workload`` known under ``name`` and wait until it is attached."""
        body = {
            "workload_id": name,
            "kind": "netns",
            "netns": workload.namespace.name,
            "interface": workload.interface,
        }
        self._send("POST", "/v1/workloads", body)

    def define(self, persona: Mapping[str, Any]) -> None:
        """Create the persona."""
        self._send("POST", "/v1/personas", persona)

    def wear(self, name: str, persona_id: str, **assignment: Any) -> dict[str, Any]:
        """Assign, and wait until the agent has applied it."""
        return self._send(
            "PUT", f"/v1/workloads/{name}/persona?wait=10s", {"persona_id": persona_id, **assignment}
        )

    def release(self, name: str) -> None:
        self._send("DELETE", f"/v1/workloads/{name}/persona?wait=10s", None)

    def get(self, path: str) -> dict[str, Any]:
        return self._send("GET", path, None)

    def _send(self, method: str, path: str, body: object) -> dict[str, Any]:
        answer = self.client.request(method, path, json=body) if body else self.client.request(method, path)
        if answer.is_error:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return dict(answer.json()) if answer.content else {}


@contextmanager
def running(lab: Lab) -> Iterator[Product]:
    """netpersona, up in ``lab``'s host with directories of its own, and down again on the way out."""
    base = Path(tempfile.mkdtemp(prefix="netpersona-lab-"))
    base.chmod(0o755)
    run_dir, state_dir = base / "run", base / "state"
    transport = httpx2.HTTPTransport(uds=str(run_dir / "api.sock"))
    with httpx2.Client(transport=transport, base_url="http://netpersona", timeout=15) as client:
        product = Product(lab.host, run_dir, state_dir, client)
        try:
            product.command("up")
            yield product
        finally:
            product.command("down", check=False)
            shutil.rmtree(base)
