"""Small C programs of our own that measure: compiled by clang from this directory when they are asked for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.attached_host import AttachedHost
from netpersona.datapath.programs.kernel import DETOUR_TAP, map_pin

SOURCES = Path(__file__).parent
BUILT = SOURCES.parent / "build" / "lab"


def tool(name: str) -> Path:
    """The program made from ``lab/<name>.c``."""
    source, program = SOURCES / f"{name}.c", BUILT / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        BUILT.mkdir(parents=True, exist_ok=True)
        subprocess.run(["clang", "-O2", "-Wall", "-Wextra", "-Werror", "-o", program, source], check=True)
    return program


@contextmanager
def reflecting(host: AttachedHost) -> Iterator[int]:
    """The bare reflector in the engine's place; its process id. The engine is back afterwards."""
    host.stop_engine()
    pin = map_pin(host.run_dir, "engine_state")
    program = host.lab.host.command(str(tool("reflector")), DETOUR_TAP, str(pin))
    with subprocess.Popen(program) as process:
        try:
            yield process.pid
        finally:
            process.kill()
            process.wait()
            host.start_engine()
