"""A manager without disk, HTTP or time of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from netpersona.control import FakeStore, Service


class FakeClock:
    def __init__(self) -> None:
        self.moment = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, **span: float) -> None:
        self.moment += timedelta(**span)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def service(store: FakeStore, clock: FakeClock) -> Service:
    return Service(store, clock)
