"""Completion scripts, and the names they are answered with."""

from __future__ import annotations

import pytest
import typer
from tests.unit.cli.conftest import Run
from typer.core import TyperCommand

from netpersona.cli import completion
from netpersona.kinds.persona import presets


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(run: Run, shell: str) -> None:
    ran = run("completion", shell)
    assert ran.code == 0
    assert completion.VARIABLE in ran.out


def test_an_unknown_shell_is_a_usage_error(run: Run) -> None:
    assert run("completion", "csh").code == 2


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    held = {"personas": ["mine", "other"], "policies": [], "workloads": ["web", "db"]}
    monkeypatch.setattr(completion, "_names", lambda _ctx, collection: held[collection])


def context(**params: str) -> typer.Context:
    """As it is while a line is completed: `params` were read from it so far."""
    made = typer.Context(TyperCommand("any"))
    made.params = dict(params)
    return made


@pytest.mark.usefixtures("names")
def test_a_persona_may_be_stored_or_a_preset() -> None:
    first = next(iter(presets()))
    assert completion.personas(context(), "m") == ["mine"]
    assert first in completion.personas(context(), first[:3])


@pytest.mark.usefixtures("names")
def test_names_follow_the_kind_before_them() -> None:
    assert completion.of_kind(context(kind="workload"), "") == ["db", "web"]
    assert completion.kinds_and_names(context(), "w") == ["web", "workload"]
    assert completion.of_kind(context(kind="pod"), "") == []


def test_kinds_are_offered_where_they_belong() -> None:
    assert completion.kinds("") == ["personas", "policies", "workloads", "hosts", "presets"]
    assert completion.kinds("p") == ["personas", "policies", "presets"]
    assert completion.written_kinds("") == ["personas", "policies", "workloads"]
