"""Completion scripts, and the names they are answered with."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from netpersona.cli import completion
from netpersona.persona import presets


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_its_script(run, shell):
    ran = run("completion", shell)
    assert ran.code == 0
    assert completion.VARIABLE in ran.out


def test_an_unknown_shell_is_a_usage_error(run):
    assert run("completion", "csh").code == 2


@pytest.fixture
def names(monkeypatch):
    held = {"personas": ["mine", "other"], "workloads": ["web", "db"]}
    monkeypatch.setattr(completion, "_names", lambda _ctx, collection: held[collection])


@pytest.mark.usefixtures("names")
def test_a_persona_may_be_stored_or_a_preset():
    first = next(iter(presets()))
    assert completion.personas(None, "m") == ["mine"]
    assert first in completion.personas(None, first[:3])


@pytest.mark.usefixtures("names")
def test_names_follow_the_kind_before_them():
    assert completion.of_kind(SimpleNamespace(params={"kind": "workload"}), "") == ["db", "web"]
    assert completion.kinds_and_names(None, "w") == ["web", "workload"]
