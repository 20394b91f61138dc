"""The drivers themselves hold to what every driver does, in a namespace."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from lab.namespaces import Lab, lab
from tests.driver_contract import DriverContract
from tests.queue_length import QueueLength, SetLength

from netpersona.datapath import (
    DatapathError,
    Driver,
    Endpoint,
    Facing,
    KernelDatapath,
    KernelRefused,
    ProgramsDriver,
)
from netpersona.datapath.links import ifindex_of

pytestmark = pytest.mark.netns
_PARTS = frozenset({"begin", "place", "enlist", "attach", "detach", "strike", "end", "write_slot"})
"""Calls of the compiled module that change the kernel, but for the store itself."""


class Mortal:
    """The compiled module for an agent that ends before or after one of its calls; so does `switch`."""

    def __init__(self, real: Any, moments: list[int]) -> None:
        self._real, self._moments = real, moments

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name == "bindings":
            return Mortal(found, self._moments)
        return self.dying(found) if name in _PARTS else found

    def dying(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*arguments: Any) -> Any:
            self._pass()
            answer = call(*arguments)
            self._pass()
            return answer

        return instead

    def _pass(self) -> None:
        self._moments[0] -= 1
        if self._moments[0] < 0:
            raise OSError(errno.EIO, "as if killed")


class NetnsWorld:
    driver: Driver[Any, Any]

    def __init__(self, network: Lab) -> None:
        self._network = network
        first, second = (Endpoint(name, ifindex_of(name), Facing.WORKLOAD) for name in ("w0", "w1"))
        self.interfaces = (first, second)

    def unplug(self, endpoint: Endpoint) -> None:
        self._network.host.run("ip", "link", "del", endpoint.interface)


class ProgramsWorld(NetnsWorld):
    """Dies for good: once cut, everything that changes the kernel fails until the end."""

    def __init__(self, network: Lab, run_dir: Path, *, tcx: bool) -> None:
        super().__init__(network)
        self._run_dir, self._tcx = run_dir, tcx
        self._open()

    def cut_at(self, moment: int | None) -> None:
        self.kernel._kernel, self.kernel._switch = self._whole
        if moment is not None:
            mortal = Mortal(self._whole[0], [moment])
            self.kernel._kernel = cast("Any", mortal)
            self.kernel._switch = self._refusing(mortal.dying(self._whole[1]))

    def restart(self) -> None:
        self.kernel.close()
        self._open()

    def _open(self) -> None:
        self.kernel = KernelDatapath.open(self._run_dir, tcx=self._tcx)
        self.driver = ProgramsDriver(self.kernel)
        self._whole = (self.kernel._kernel, self.kernel._switch)

    def _refusing(self, call: Callable[..., int]) -> Callable[..., int]:
        def instead(*arguments: int) -> int:
            try:
                return call(*arguments)
            except OSError as error:
                raise KernelRefused(str(error)) from error

        return instead


class MortalQueueLength(QueueLength):
    """Its changes have one part."""

    def __init__(self) -> None:
        self.moments: int | None = None

    def apply(self, change: SetLength) -> None:
        self._pass()
        super().apply(change)
        self._pass()

    def _pass(self) -> None:
        if self.moments is not None:
            self.moments -= 1
            if self.moments < 0:
                raise DatapathError("as if killed")


class QueueLengthWorld(NetnsWorld):
    driver: MortalQueueLength

    def __init__(self, network: Lab) -> None:
        super().__init__(network)
        self.driver = MortalQueueLength()

    def cut_at(self, moment: int | None) -> None:
        self.driver.moments = moment

    def restart(self) -> None:
        self.driver = MortalQueueLength()


@pytest.fixture
def network() -> Iterator[Lab]:
    with lab() as built, built.host.entered():
        for name in ("w0", "w1"):
            built.host.run("ip", "link", "set", name, "txqueuelen", "1000")
        yield built


@pytest.mark.parametrize("tcx", [True, False], ids=["tcx", "clsact"], scope="class")
class TestPrograms(DriverContract):
    @pytest.fixture
    def world(self, network: Lab, tmp_path: Path, tcx: bool) -> Iterator[ProgramsWorld]:
        world = ProgramsWorld(network, tmp_path, tcx=tcx)
        yield world
        world.kernel.destroy()
        assert list(tmp_path.iterdir()) == []


class TestQueueLength(DriverContract):
    @pytest.fixture
    def world(self, network: Lab) -> QueueLengthWorld:
        return QueueLengthWorld(network)
