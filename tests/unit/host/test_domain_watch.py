"""Against the driver that libvirt has for tests. Real machines: tests/netns/test_domains.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from netpersona.host.domain_watch import DomainWatch


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def watch() -> Iterator[DomainWatch]:
    made = DomainWatch("test:///default", lambda _: None)
    made.start()
    yield made
    made.close()


def test_a_machine_is_followed_by_its_name(watch: DomainWatch) -> None:
    import libvirt

    until(lambda: watch.find("test"))
    domain = libvirt.open("test:///default").lookupByName("test")
    for change, running in ((domain.destroy, False), (domain.create, True)):
        change()
        until(lambda: getattr(watch.find("test"), "running", None) is running)  # noqa: B023
    assert watch.find("nobody") is None
    assert watch.heard


def test_no_libvirt_is_a_problem_with_its_address() -> None:
    told = threading.Event()
    watch = DomainWatch("qemu+unix:///system?socket=/nowhere", lambda _: told.set())
    watch.start()
    assert watch.find("db") is None
    assert told.wait(10)
    assert (watch.heard, "/nowhere" in watch.problem) == (False, True)
    watch.close()
