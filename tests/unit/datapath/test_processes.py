import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netpersona.datapath import processes
from netpersona.datapath.processes import MARKER, Process


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as child:
        yield child
        child.kill()


def test_a_process_is_known_by_pid_and_start_time(sleeper: subprocess.Popen[bytes]) -> None:
    process = processes.identify(sleeper.pid)
    assert process is not None
    assert process.alive()
    assert not Process(process.pid, process.starttime + 1).alive()


def test_a_zombie_does_not_live(sleeper: subprocess.Popen[bytes]) -> None:
    process = processes.identify(sleeper.pid)
    assert process is not None
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert not process.alive()


def test_another_process_with_that_pid_is_not_stopped(sleeper: subprocess.Popen[bytes]) -> None:
    process = processes.identify(sleeper.pid)
    assert process is not None
    assert processes.stop(Process(process.pid, process.starttime + 1))
    assert sleeper.poll() is None


def test_stop_ends_a_process(sleeper: subprocess.Popen[bytes]) -> None:
    process = processes.identify(sleeper.pid)
    assert process is not None
    assert processes.stop(process)
    assert sleeper.wait() == -signal.SIGTERM


def test_stop_ends_a_process_that_will_not(tmp_path: Path) -> None:
    deaf = (
        "import pathlib, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        f"pathlib.Path({str(tmp_path / 'deaf')!r}).touch(); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", deaf]) as child:
        while not (tmp_path / "deaf").exists():
            assert child.poll() is None
        process = processes.identify(child.pid)
        assert process is not None
        assert processes.stop(process, grace_s=0.05)
        assert child.wait() == -signal.SIGKILL


def test_a_pid_file_is_believed_only_while_its_process_lives(tmp_path: Path) -> None:
    own = processes.identify(os.getpid())
    assert own is not None
    path = tmp_path / "agent.pid"
    processes.write_pidfile(path, own)
    assert processes.read_pidfile(path) == own
    processes.write_pidfile(path, Process(own.pid, own.starttime + 1))
    assert processes.read_pidfile(path) is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "starttime": 1}'])
def test_a_damaged_pid_file_names_nobody(tmp_path: Path, content: str) -> None:
    path = tmp_path / "agent.pid"
    path.write_text(content)
    assert processes.read_pidfile(path) is None


def test_a_process_whose_pid_file_was_never_written_is_found(tmp_path: Path) -> None:
    (tmp_path / "unrecorded.py").write_text("import time; time.sleep(60)")
    environment = {**os.environ, MARKER: str(tmp_path), "PYTHONPATH": str(tmp_path)}
    process = processes.spawn(
        [sys.executable, "-m", "unrecorded"], log=tmp_path / "log", environment=environment
    )
    try:
        # A child of fork is a copy of us until it has called execve.
        while not (found := list(processes.find("unrecorded", tmp_path))):
            assert process.alive()
        assert found == [process]
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        assert list(processes.find("unrecorded", elsewhere)) == []
    finally:
        assert processes.stop(process)
        os.waitpid(process.pid, 0)


def test_a_namespace_is_the_one_of_its_inode() -> None:
    assert processes.namespace("net") == processes.namespace("net", os.getpid())
