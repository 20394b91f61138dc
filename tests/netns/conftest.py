"""Fixtures of the namespace tests. Everything here needs root and works on namespaces of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.netns.lab import Lab, lab


@pytest.fixture
def network() -> Iterator[Lab]:
    """A host with a bridge and two workloads; the test itself runs in the host namespace."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    with lab() as built, built.host.entered():
        yield built
