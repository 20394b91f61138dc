"""Two agents on one run directory: the second is refused, and told why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netpersona.datapath import Busy, exclusive


def test_the_second_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    said = pytest.raises(Busy, match=rf"another agent \(pid {os.getpid()}\) works on")
    with exclusive(tmp_path), said, exclusive(tmp_path):
        pass
    with exclusive(tmp_path):
        pass


def test_a_lock_that_a_dead_agent_left_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "agent.lock").write_text("4194304")
    with exclusive(tmp_path):
        assert (tmp_path / "agent.lock").read_text() == str(os.getpid())


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "agent.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(Exception, match=r"cannot lock .*agent\.lock"), exclusive(tmp_path):
        pass
    assert not (tmp_path / "precious").exists()
