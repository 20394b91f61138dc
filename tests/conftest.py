"""What every test needs of its process."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# A shell starts background jobs with SIGINT ignored, and what is ignored stays so across exec:
# the commands that a test interrupts would not hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class SmallDisk:
    """A tmpfs of 8 MiB in a mount namespace of its own, at `inside` there and at `path` for everybody."""

    pid: int
    inside: Path

    @property
    def path(self) -> Path:
        return Path(f"/proc/{self.pid}/root{self.inside}")

    @property
    def enter(self) -> list[str]:
        """What a command begins with that is to run in that namespace."""
        return ["nsenter", f"--mount=/proc/{self.pid}/ns/mnt"]

    def fill(self, leave: int = 0) -> None:
        with (self.path / "fill").open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue
            file.truncate(file.tell() - leave)

    def free(self) -> None:
        (self.path / "fill").unlink()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    inside = tmp_path / "disk"
    inside.mkdir()
    mount = f"mount -t tmpfs -o size=8m,mode=755 tmpfs {inside} && echo mounted && exec sleep infinity"
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", mount]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"mounted\n"
        yield SmallDisk(process.pid, inside)
        process.kill()
