"""Fixtures of the namespace tests. Everything here needs root and works on namespaces of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing

import pytest
from lab.attached_host import attached_host
from lab.namespaces import Lab, lab
from tests.netns.wire import Tap, Wire

_ports = itertools.count(20000)


@pytest.fixture
def network() -> Iterator[Lab]:
    """A host with a bridge and two workloads; the test itself runs in the host namespace."""
    with lab() as built, built.host.entered():
        yield built


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """A workload that is attached, its peer, and raw sockets at both ends."""
    with attached_host() as host, closing(Tap(host.subject)) as workload, closing(Tap(host.peer)) as peer:
        yield Wire(host, workload, peer)


@pytest.fixture
def port() -> int:
    """A port that no flow of another test has."""
    return next(_ports)
