"""The guide names files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/extending.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:src|tests|docs|bpf|engine|lab)/[\w./-]*)`", GUIDE)))


@pytest.mark.parametrize("path", NAMED)
def test_it_names_what_is_there(path: str) -> None:
    assert (ROOT / path).exists(), f"docs/extending.md speaks of {path}"


def test_it_names_something() -> None:
    assert len(NAMED) > 5
