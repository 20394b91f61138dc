"""`python -m lab.vm COMMAND…` runs it in the virtual machine; its output and exit code are the command's."""

from __future__ import annotations

import argparse
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lab.vm import initramfs, machine

ROOT = Path(__file__).parents[2]
KERNEL = ROOT / "build" / "vm" / "kernel"
TIMED_OUT = 124
"""As of timeout(1)."""


def run(command: list[str], timeout_s: float, result: Path | None = None) -> int:
    """The command's exit code; 124 if it took longer, 125 if the machine stopped before it ended.

    What it wrote to /vm/exchange/result is copied to `result`.
    """
    modules = KERNEL / "lib" / "modules"
    (version,) = modules.iterdir()
    with tempfile.TemporaryDirectory(prefix="netpersona-vm-") as directory:
        exchange = Path(directory)
        initramfs.write(exchange / "initramfs", version)
        (exchange / "command").write_text(f"cd {shlex.quote(str(ROOT))}\n{shlex.join(command)}\n")
        started = machine.command(
            KERNEL / "boot" / f"vmlinuz-{version.name}", exchange / "initramfs", modules, exchange
        )
        # Once its input has ended, QEMU takes no output either.
        with subprocess.Popen(started, stdin=subprocess.PIPE) as process:
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                process.kill()
                return _gave_up(exchange, TIMED_OUT, f"not done after {timeout_s:g} s")
        code = exchange / "exit"
        if not code.exists():
            return _gave_up(exchange, 125, "it stopped before the command ended")
        if result is not None and (exchange / "result").exists():
            shutil.copyfile(exchange / "result", result)
        return int(code.read_text())


def _gave_up(exchange: Path, code: int, why: str) -> int:
    log = exchange / "kernel.log"
    said = log.read_text(errors="replace").splitlines()[-20:] if log.exists() else []
    print(f"virtual machine: {why}; its kernel's last words:", *said, sep="\n  ", file=sys.stderr)
    return code


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.vm", description=__doc__)
    parser.add_argument("--timeout", type=float, default=300, help="seconds, starting included")
    parser.add_argument("--result", type=Path, help="where to copy what it wrote to /vm/exchange/result")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    sys.exit(run(arguments.command, arguments.timeout, arguments.result))


if __name__ == "__main__":
    main()
