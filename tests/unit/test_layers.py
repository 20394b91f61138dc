"""What import-linter cannot see: it reads Python, and `netpersona._engine` is compiled."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import netpersona

ROOT = Path(netpersona.__file__).parent
OUTSIDE = [path for path in sorted(ROOT.rglob("*.py")) if path.relative_to(ROOT).parts[0] != "datapath"]


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


@pytest.mark.parametrize("path", OUTSIDE, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_datapath_uses_the_compiled_engine(path: Path) -> None:
    assert not {name for name in imported(ast.parse(path.read_text())) if "_engine" in name.split(".")}
