import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from netpersona.datapath import processes
from netpersona.datapath.processes import MARKER, Process

OWN = {os.getuid()}


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
        while not (found := list(processes.find("unrecorded", tmp_path, OWN))):
            assert process.alive()
        assert found == [process]
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        assert list(processes.find("unrecorded", elsewhere, OWN)) == []
    finally:
        assert processes.stop(process)
        os.waitpid(process.pid, 0)


def test_a_pid_file_of_an_earlier_boot_names_nobody(tmp_path: Path) -> None:
    own = processes.identify(os.getpid())
    assert own is not None
    path = tmp_path / "agent.pid"
    processes.write_pidfile(path, own)
    path.write_text(path.read_text().replace(processes.boot_id(), "another"))
    assert processes.read_pidfile(path) is None


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="starts processes of other users")
SLEEPS = "import time; print(flush=True); time.sleep(60)"


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory that other users may enter; pytest's own are closed."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def imposter(shared: Path) -> Iterator[Callable[..., Process]]:
    """Starts what has arguments, environment and path of an agent of ours, behind a command of its own."""
    (shared / "imposter.py").write_text(SLEEPS)
    environment = {MARKER: str(shared), "PYTHONPATH": str(shared), "PATH": os.environ["PATH"]}
    started: list[subprocess.Popen[bytes]] = []

    def start(*behind: str) -> Process:
        child = subprocess.Popen(
            [*behind, "/usr/bin/python3", "-m", "imposter"],
            env=environment,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        started.append(child)
        assert child.stdout is not None
        assert child.stdout.readline(), "it runs"
        process = processes.identify(child.pid)
        assert process is not None
        return process

    yield start
    for child in started:
        child.kill()
        child.communicate()


USER = ("setpriv", "--reuid", "61234", "--regid", "61234", "--clear-groups")


@needs_root
@pytest.mark.parametrize(
    "behind",
    [
        USER,
        (*USER, "unshare", "--user", "--map-root-user", "--mount"),
        ("unshare", "--user", "--map-root-user"),
        ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"),
    ],
    ids=["user", "its own user namespace", "root in another user namespace", "root of a container"],
)
def test_nobody_but_root_is_taken_for_ours(
    imposter: Callable[..., Process], shared: Path, behind: tuple[str, ...]
) -> None:
    process = imposter(*behind)
    assert not processes.belongs(process)
    assert list(processes.find("imposter", shared)) == []
    before = processes.namespace("mnt"), processes.namespace("net")
    assert not processes.join_mount_namespace(process)
    assert not processes.join_network_namespace_of(process)
    assert (processes.namespace("mnt"), processes.namespace("net")) == before


@needs_root
def test_the_managers_user_is_known_where_it_is_asked_for(
    imposter: Callable[..., Process], shared: Path
) -> None:
    plain, elsewhere = imposter(*USER), imposter(*USER, "unshare", "--user")
    assert list(processes.find("imposter", shared, {61234})) == [plain]
    assert not processes.belongs(elsewhere, {61234})
    assert not processes.belongs(plain, {61235})


def test_a_namespace_is_the_one_of_its_inode() -> None:
    assert processes.namespace("net") == processes.namespace("net", os.getpid())


@pytest.mark.parametrize(
    ("cgroup", "unit"),
    [
        ("0::/system.slice/netpersona-agent.service\n", "netpersona-agent.service"),
        ("0::/system.slice/netpersona-agent.service/worker\n", "netpersona-agent.service"),
        ("1:cpu:/\n0::/user.slice/user-0.slice/session-1.scope\n", None),
        ("0::/\n", None),
    ],
)
def test_the_unit_is_that_of_the_control_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cgroup: str, unit: str | None
) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "cgroup").write_text(cgroup)
    monkeypatch.setattr(processes, "_PROC", tmp_path)
    assert processes.unit_of(Process(7, 1)) == unit
    assert processes.unit_of(Process(8, 1)) is None
