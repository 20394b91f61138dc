from __future__ import annotations

import ctypes
import os
import platform
import subprocess
from collections.abc import Iterator

import pytest

from netpersona.datapath import schedule

GETATTR = {"x86_64": 315, "aarch64": 275}


@pytest.fixture
def sleeper() -> Iterator[int]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process.pid
        process.kill()


def test_a_process_gets_the_nice_value_and_on_new_kernels_the_shortest_slice(sleeper: int) -> None:
    schedule.hasten(sleeper, 3)
    assert os.getpriority(os.PRIO_PROCESS, sleeper) == 3
    release = tuple(int(part) for part in os.uname().release.split(".")[:2])
    if release >= (6, 12) and platform.machine() in GETATTR:
        assert _slice_ns(sleeper) == schedule.SLICE_NS


def test_a_process_that_is_gone_is_an_error() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    with pytest.raises(ProcessLookupError):
        schedule.hasten(process.pid, 3)


def _slice_ns(pid: int) -> int:
    found = ctypes.create_string_buffer(schedule._ATTRIBUTES.size)
    assert ctypes.CDLL(None).syscall(GETATTR[platform.machine()], pid, found, len(found), 0) == 0
    return int(schedule._ATTRIBUTES.unpack(found.raw)[5])
