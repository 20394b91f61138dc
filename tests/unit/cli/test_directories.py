"""Directories of ours: what is taken, locked, and emptied."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from netpersona.cli.directories import MARK, Foreign, Known, claimed, is_ours

KNOWN: Known = {"up.json": None, "log": {"agent.log": None}}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has directories that only root writes")


def names(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def test_it_is_made_and_marked_and_goes_again(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    with claimed(directory, KNOWN) as claim:
        assert (directory / MARK).stat().st_mode & 0o777 == 0o600
        (directory / "up.json").touch()
        (directory / "log").mkdir()
        (directory / "log" / "agent.log").touch()
        claim.remove(print)
    assert not directory.exists()


def test_one_that_was_made_for_nothing_goes_again(tmp_path: Path) -> None:
    directory = tmp_path / "a"
    with pytest.raises(KeyboardInterrupt), claimed(directory, KNOWN):
        raise KeyboardInterrupt
    assert not directory.exists()
    directory.mkdir()
    (directory / "up.json").touch()
    with pytest.raises(KeyboardInterrupt), claimed(directory, KNOWN):
        raise KeyboardInterrupt
    assert names(directory) == [MARK, "up.json"]


def test_what_is_noted_is_read_again(tmp_path: Path) -> None:
    with claimed(tmp_path / "a", KNOWN) as claim:
        assert claim.read() == {}
        claim.note(manager=[70000, 70000], more="x" * 100)
    with claimed(tmp_path / "a", KNOWN) as claim:
        claim.note(manager=[70001, 70001])
        assert claim.read() == {"manager": [70001, 70001]}


@pytest.mark.parametrize("strange", ["passwd", "log2", ".bashrc"])
def test_a_foreign_directory_is_neither_taken_nor_marked(tmp_path: Path, strange: str) -> None:
    directory = tmp_path / "etc"
    directory.mkdir()
    (directory / strange).touch()
    with pytest.raises(Foreign, match=f"it holds {strange}") as refused, claimed(directory, KNOWN):
        raise AssertionError
    assert "--run-dir" in str(refused.value.remedy)
    assert names(directory) == [strange]


def test_what_an_earlier_release_left_is_ours(tmp_path: Path) -> None:
    assert not is_ours(tmp_path, KNOWN)
    (tmp_path / "up.json").touch()
    assert is_ours(tmp_path, KNOWN)


def test_only_known_names_are_deleted_and_links_are_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "agent.log").write_text("another's")
    said: list[str] = []
    with claimed(tmp_path / "a", KNOWN) as claim:
        (tmp_path / "a" / "up.json").symlink_to(victim / "agent.log")
        (tmp_path / "a" / "log").symlink_to(victim)
        (tmp_path / "a" / "notes.txt").touch()
        claim.remove(said.append)
    assert names(tmp_path / "a") == [MARK, "log", "notes.txt"]
    assert (victim / "agent.log").read_text() == "another's"
    assert said == [f"kept {tmp_path / 'a'}: it holds log, notes.txt, which netpersona did not make"]
    with claimed(tmp_path / "a", KNOWN):
        "it is still ours"


@pytest.mark.parametrize(("mode", "owner"), [(0o777, 0), (0o775, 0), (0o755, 1234)])
@pytest.mark.parametrize("where", ["", "below"])
def test_a_directory_that_others_write_to_is_refused(
    tmp_path: Path, mode: int, owner: int, where: str
) -> None:
    directory = tmp_path / "open"
    directory.mkdir()
    directory.chmod(mode)
    os.chown(directory, owner, 0)
    with pytest.raises(Foreign, match="others than root may write"), claimed(directory / where, KNOWN):
        raise AssertionError
    assert names(directory) == []


def test_a_mark_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / MARK).symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"), claimed(tmp_path / "a", KNOWN):
        raise AssertionError
    assert not victim.exists()


def test_one_at_a_time_and_who_waited_finds_a_directory_of_its_own(tmp_path: Path) -> None:
    directory, waiting, order = tmp_path / "a", threading.Event(), list[str]()

    def second() -> None:
        with claimed(directory, KNOWN, lambda _: waiting.set()) as claim:
            order.append("second")
            assert claim.holds()
            claim.remove(print)

    with claimed(directory, KNOWN) as claim:
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        order.append("first")
        claim.remove(print)
    thread.join(10)
    assert order == ["first", "second"]
    assert not directory.exists()


def test_what_is_gone_is_not_made_where_it_must_not(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), claimed(tmp_path / "a", KNOWN, make=False):
        raise AssertionError
