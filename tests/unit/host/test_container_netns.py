"""Processes of this test stand for the first process of a container."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from netpersona.host import container_netns
from netpersona.host.container_netns import ContainerGone, NotItsOwn, network_namespace, owners
from netpersona.host.containers import Container

ID, STRANGER = "a" * 64, "b" * 64


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as child:
        yield child
        child.kill()


@pytest.mark.parametrize(
    "line",
    [
        f"0::/system.slice/docker-{ID}.scope",
        f"0::/machine.slice/libpod-{ID}.scope/container",
        f"4:memory:/docker/{ID}",
        f"0::/libpod_parent/libpod-{ID}/made-by-it-{STRANGER}",
    ],
)
def test_the_outermost_container_of_a_cgroup_path_is_the_owner(line: str) -> None:
    assert owners(line) == {ID}


def test_a_pid_that_is_a_strangers_by_now_is_left_alone(process: subprocess.Popen[bytes]) -> None:
    container = Container(ID, "web", process.pid)
    with pytest.raises(NotItsOwn, match="left alone"), network_namespace(container):
        pass


def test_a_process_that_ended_is_gone(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
    with pytest.raises(ContainerGone), network_namespace(Container(ID, "web", process.pid)):
        pass
    process.wait()
    with pytest.raises(ContainerGone), network_namespace(Container(ID, "web", process.pid)):
        pass


def test_one_that_ends_while_it_is_looked_at_is_gone(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pid could be anybody's from then on; what was read by it counts for nothing."""

    def read(_: Path) -> str:
        process.kill()
        process.wait()
        return f"0::/docker/{ID}"

    monkeypatch.setattr(Path, "read_text", read)
    with pytest.raises(ContainerGone), network_namespace(Container(ID, "web", process.pid)):
        pass


def test_the_hosts_network_is_no_containers_own(
    process: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(container_netns, "owners", lambda _: {ID})
    with pytest.raises(NotItsOwn, match="--network host"), network_namespace(Container(ID, "w", process.pid)):
        pass


def test_nothing_stays_open(process: subprocess.Popen[bytes]) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    with pytest.raises(NotItsOwn), network_namespace(Container(ID, "web", process.pid)):
        pass
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
