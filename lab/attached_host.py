"""A lab whose first workload wears personas through the real data path, without manager and agent."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.measure import settle_neighbours, wait_until
from lab.namespaces import Lab, Workload, lab
from netpersona.datapath import Facing, KernelDatapath
from netpersona.kinds.persona import compile_persona, from_mapping


@dataclass
class AttachedHost:
    """A lab, its data path and its engine process."""

    lab: Lab
    datapath: KernelDatapath
    run_dir: Path
    engine: subprocess.Popen[bytes]
    attachments: dict[str, int] = field(default_factory=dict)

    @property
    def subject(self) -> Workload:
        """The workload that wears personas."""
        return self.lab.workloads[0]

    @property
    def peer(self) -> Workload:
        return self.lab.workloads[1]

    def attach(self, workload: Workload) -> int:
        attachment = self.datapath.attach(workload.host_interface, Facing.WORKLOAD)
        self.attachments[workload.host_interface] = attachment
        return attachment

    def install(self, persona: Mapping[str, Any]) -> int:
        """Compile the persona into a slot."""
        return self.datapath.install(compile_persona(from_mapping({"persona_id": "lab", **persona})))

    def put_on(self, persona: Mapping[str, Any], workload: Workload | None = None, **lease: int) -> int:
        """Compile, install and switch; the generation."""
        interface = (workload or self.subject).host_interface
        return self.datapath.switch(self.attachments[interface], self.install(persona), **lease)

    def stop_engine(self) -> None:
        self.engine.kill()
        self.engine.wait()

    def start_engine(self, *options: str) -> None:
        before = self.datapath.engine().started_ns  # the one before may still look alive
        self.engine = _engine(self.lab, self.run_dir, *options)
        wait_until(
            lambda: self.datapath.engine().started_ns != before,
            timeout_s=60,
            every_s=0.02,
            what="the engine's heartbeat",
        )


def _engine(built: Lab, run_dir: Path, *options: str) -> subprocess.Popen[bytes]:
    module = ["-m", "netpersona.datapath.engine_process", "--run-dir", str(run_dir), *options]
    return subprocess.Popen(built.host.command(sys.executable, *module))


@contextmanager
def attached_host(workloads: int = 2) -> Iterator[AttachedHost]:
    """A lab with the data path loaded, its engine running and its first workload attached.

    The calling thread is inside the lab's host for the length of the block.
    """
    with (
        lab(workloads) as built,
        tempfile.TemporaryDirectory(prefix="netpersona-lab-") as directory,
        built.host.entered(),
    ):
        settle_neighbours(built.workloads)
        run_dir = Path(directory)
        datapath = KernelDatapath.open(run_dir)
        made = AttachedHost(built, datapath, run_dir, _engine(built, run_dir))
        try:
            made.attach(made.subject)
            wait_until(
                lambda: datapath.engine().alive, timeout_s=60, every_s=0.02, what="the engine's heartbeat"
            )
            yield made
        finally:
            made.stop_engine()
            datapath.destroy()
