"""Fixtures of the agent's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.agent.hosts import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)
