"""The fakes hold to what every driver does."""

from __future__ import annotations

import pytest
from tests.driver_contract import DriverContract
from tests.queue_length import USUAL, FakeQueueLength

from netpersona.datapath import DatapathError, Endpoint, Facing, FakePrograms

INTERFACES = (Endpoint("w0", 11, Facing.WORKLOAD), Endpoint("w1", 12, Facing.WORKLOAD))


class FakeWorld:
    """`FakePrograms` is its own world: it goes on when an agent dies."""

    interfaces = INTERFACES

    def __init__(self) -> None:
        self.driver = FakePrograms({endpoint.interface: endpoint.ifindex for endpoint in INTERFACES})

    def unplug(self, endpoint: Endpoint) -> None:
        del self.driver.interfaces[endpoint.interface]

    def cut_at(self, moment: int | None) -> None:
        self.driver.cut_at = moment

    def restart(self) -> None:
        """Nothing is kept beside what the kernel has."""


class QueueWorld:
    interfaces = INTERFACES

    def __init__(self) -> None:
        self.driver = FakeQueueLength({endpoint.ifindex: USUAL for endpoint in INTERFACES})

    def unplug(self, endpoint: Endpoint) -> None:
        del self.driver.lengths[endpoint.ifindex]

    def cut_at(self, moment: int | None) -> None:
        dead = DatapathError("cut short")
        self.driver.refused = {} if moment is None or moment else {11: dead, 12: dead}

    def restart(self) -> None:
        """As above."""


class TestFakePrograms(DriverContract):
    @pytest.fixture
    def world(self) -> FakeWorld:
        return FakeWorld()


class TestFakeQueueLength(DriverContract):
    @pytest.fixture
    def world(self) -> QueueWorld:
        return QueueWorld()
