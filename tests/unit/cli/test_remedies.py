"""What the API says to do is said in commands: who types them sends no requests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.cli.conftest import FakeManager, Run, problem

from netpersona import control
from netpersona.cli.errors import in_commands
from netpersona.client import ApiError

REQUEST = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE|ETag|If-Match|If-None-Match)\b|/v1/|/openapi\.json")
ROOM = Path(control.__file__).parent
OLDER = ROOM / "http" / "legacy.py"
"""Endpoints that no command asks."""


def text(node: ast.expr) -> str:
    """Of a text, with `x` for what is put into it."""
    if isinstance(node, ast.JoinedStr):
        return "".join(text(part) if isinstance(part, ast.Constant) else "x" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def remedies() -> Iterator[str]:
    for file in sorted(set(ROOM.rglob("*.py")) - {OLDER}):
        for call in ast.walk(ast.parse(file.read_text())):
            if isinstance(call, ast.Call):
                found = [keyword.value for keyword in call.keywords if keyword.arg == "remedy"]
                if isinstance(call.func, ast.Name) and call.func.id == "Detail":
                    found += call.args[2:3]
                yield from (text(node) for node in found)


def in_requests() -> list[str]:
    return sorted({remedy for remedy in remedies() if REQUEST.search(remedy)})


def test_some_remedies_are_requests() -> None:
    assert len(in_requests()) > 5


@pytest.mark.parametrize("remedy", in_requests())
def test_every_one_of_them_becomes_a_command(remedy: str) -> None:
    status = 412 if "If-Match" in remedy else 404
    detail = {"pointer": "/x", "detail": "it is so", "remedy": remedy}
    for error in (
        ApiError(status, {"detail": "it is so", "errors": [{**detail, "pointer": ""}]}),
        ApiError(status, {"detail": "it is not right", "errors": [detail]}),
    ):
        in_commands(error)
        said = " ".join([error.message, *error.details, error.remedy or ""])
        assert not REQUEST.search(said), said
        assert "netpersona " in said or "command" in said


def test_a_resource_that_others_changed_meanwhile_is_no_matter_of_headers(
    run: Run, manager: FakeManager
) -> None:
    stale = {"pointer": "/If-Match", "detail": 'the ETag is now "9"', "remedy": "send its ETag in If-Match"}
    manager.add_workload("web")
    manager.answers["DELETE", "/v1/workloads/web/persona"] = problem(
        412, "it is at revision 9", errors=[stale]
    )
    ran = run("release", "web")
    assert ran.code == 1
    assert ran.err == ("error: it is at revision 9; others changed it meanwhile: run the command again\n")
