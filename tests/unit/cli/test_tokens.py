"""Tokens: the first of a file; and nothing that a manager's user could plant."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from netpersona.cli.errors import CliError
from netpersona.cli.tokens import made_token, named_token


@pytest.mark.parametrize("content", ["one\n", "one\ntwo\n", "# ours\n\none # since May\ntwo\n", "one"])
def test_the_first_token_counts(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    assert named_token(path) == made_token(path) == "one"


@pytest.mark.parametrize("content", ["", "\n", "# nothing\n", "two words\n", "\u00fc\n", "a\x01b\n"])
def test_what_is_no_token_is_said(tmp_path: Path, content: str) -> None:
    path = tmp_path / "token"
    path.write_text(content)
    assert made_token(path) is None
    with pytest.raises(CliError, match="holds no token"):
        named_token(path)


def _link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def _second_name(path: Path, victim: Path) -> None:
    path.hardlink_to(victim)


def _pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def _directory(path: Path, _: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("plant", [_link, _second_name, _pipe, _directory])
def test_what_was_planted_is_not_read(tmp_path: Path, plant: Callable[[Path, Path], None]) -> None:
    victim = tmp_path / "victim"
    victim.write_text("root-only\n")
    directory = tmp_path / "manager"
    directory.mkdir()
    plant(directory / "token", victim)
    assert made_token(directory / "token") is None


def test_a_link_for_the_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "token").write_text("secret\n")
    (tmp_path / "manager").symlink_to(tmp_path / "elsewhere")
    assert made_token(tmp_path / "manager" / "token") is None
