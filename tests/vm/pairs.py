"""Two NICs of a model: one here, one in a namespace of its own, and traffic between them."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.measure import wait_until
from lab.namespaces import Namespace, lab
from lab.vm.machine import MODELS


@dataclass(frozen=True)
class Traffic:
    sent: int
    answered: int

    @property
    def lost(self) -> int:
        return self.sent - self.answered


@dataclass(frozen=True)
class Pair:
    interface: str
    address: str
    far: Namespace

    @property
    def _sysfs(self) -> Path:
        return Path("/sys/class/net", self.interface)

    @property
    def carrier_changes(self) -> int:
        return int((self._sysfs / "carrier_changes").read_text())

    @property
    def answers(self) -> bool:
        return self.far.run("ping", "-c1", "-W1", self.address, check=False).returncode == 0

    @contextmanager
    def echoed(self) -> Iterator[list[Traffic]]:
        """Echo requests from the far end, 50 a second; behind the block the list says how they fared."""
        found: list[Traffic] = []
        with self.far.spawn("ping", "-i", "0.02", self.address) as process:
            time.sleep(0.5)
            yield found
            wait_until(lambda: self.answers, timeout_s=60, every_s=0.2, what="an answer after the change")
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            said = re.search(r"(\d+) packets transmitted, (\d+) received", process.communicate(timeout=30)[0])
            assert said is not None
            found.append(Traffic(int(said[1]), int(said[2])))


@contextmanager
def paired(model: str) -> Iterator[Pair]:
    """The NICs of a model of `lab.vm.machine.MODELS`, with addresses and up, for the length of the block."""

    def here(*argv: str) -> None:
        subprocess.run(argv, check=True, timeout=30)

    index = list(MODELS).index(model)
    near, far = (_named(index, number) for number in (0, 1))
    address, other = (f"10.88.{index}.{number}" for number in (1, 2))
    with lab(workloads=1) as built:
        there = built.workloads[0].namespace
        here("ip", "link", "set", far, "netns", there.name)
        for name, own, run in ((near, address, here), (far, other, there.run)):
            run("ip", "address", "add", f"{own}/24", "dev", name)
            run("ip", "link", "set", name, "up")
        pair = Pair(near, address, there)
        try:
            wait_until(lambda: pair.answers, timeout_s=60, every_s=0.2, what=f"an answer through {near}")
            yield pair
        finally:
            here("ip", "link", "set", near, "down")
            here("ip", "address", "flush", "dev", near)


def _named(model: int, number: int) -> str:
    address = f"02:00:00:00:{model:02x}:{number:02x}"
    return next(
        path.parent.name
        for path in Path("/sys/class/net").glob("*/address")
        if path.read_text().strip() == address
    )
