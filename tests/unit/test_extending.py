"""Guide and architecture page name files that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("ARCHITECTURE.md", "docs/extending.md")
NAMED = re.compile(r"`((?:src|tests|docs|bpf|engine|lab)/[\w./-]*)`")


def named(page: str) -> list[str]:
    return sorted(set(NAMED.findall((ROOT / page).read_text())))


@pytest.mark.parametrize(("page", "path"), [(page, path) for page in PAGES for path in named(page)])
def test_it_names_what_is_there(page: str, path: str) -> None:
    assert (ROOT / path).exists(), f"{page} speaks of {path}"


@pytest.mark.parametrize("page", PAGES)
def test_it_names_something(page: str) -> None:
    assert len(named(page)) > 5
