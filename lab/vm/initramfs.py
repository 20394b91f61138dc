"""The first files of the virtual machine: busybox, `init`, and the modules that mount the others."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

NEEDED = ("virtio_pci", "virtio_console", "virtio-rng", "9pnet_virtio", "9p", "overlay")
"""The bus, the way out for what is printed, randomness, and the file systems."""


def write(target: Path, modules: Path) -> None:
    """`modules` is the directory /lib/modules/VERSION of the kernel."""
    staging = target.with_suffix(".files")
    shutil.rmtree(staging, ignore_errors=True)
    for name in ("bin", "modules", "proc", "over", "dev"):
        (staging / name).mkdir(parents=True)
    shutil.copy("/usr/bin/busybox", staging / "bin")
    shutil.copy(Path(__file__).with_name("init"), staging / "init")
    (staging / "init").chmod(0o755)
    order = list(_in_order(modules / "modules.dep"))
    for path in order:
        shutil.copy(modules / path, staging / "modules")
    names = "".join(f"{Path(path).name}\n" for path in order)
    (staging / "modules" / "order").write_text(names)
    script = "find . | busybox cpio -o -H newc 2>/dev/null"
    target.write_bytes(
        subprocess.run(["sh", "-c", script], cwd=staging, check=True, capture_output=True).stdout
    )
    shutil.rmtree(staging)


def _in_order(dependencies: Path) -> Iterator[str]:
    """Paths of the modules, each behind those that it depends on."""
    needs = {
        path: below.split()
        for path, _, below in (line.partition(":") for line in dependencies.read_text().splitlines())
    }
    by_name = {Path(path).stem: path for path in needs}
    done: set[str] = set()

    def walk(path: str) -> Iterator[str]:
        if path not in done:
            done.add(path)
            for below in needs[path]:
                yield from walk(below)
            yield path

    for name in NEEDED:
        yield from walk(by_name[name])
