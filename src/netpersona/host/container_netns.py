"""The network namespace of a container, found without mistaking another process for it.

A pid is reused and may by now be a stranger's, whose network a persona must not touch. So a pidfd is
held while everything is read by the pid, and the process must be in the container's own cgroup.
"""

from __future__ import annotations

import os
import re
import select
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netpersona.host.containers import Container

_PROC = Path("/proc")
_ID = re.compile(r"[0-9a-f]{64}")


class ContainerGone(Exception):
    """It ended while it was looked at; its runtime will say so."""


class NotItsOwn(Exception):
    """There is a process, but its network is not the container's alone."""


@contextmanager
def network_namespace(container: Container) -> Iterator[Path]:
    """A path to the container's network namespace, good as long as the block lasts.

    Raises:
        ContainerGone: no such process any more.
        NotItsOwn: the process is not the container's, or it shares the host's network.
    """
    try:
        process = os.pidfd_open(container.pid)
    except (ProcessLookupError, ValueError) as error:
        raise ContainerGone(f"container {container.name} has ended") from error
    try:
        namespace = _open(container, process)
    finally:
        os.close(process)
    try:
        if os.fstat(namespace).st_ino == (_PROC / "self/ns/net").stat().st_ino:
            raise NotItsOwn(
                f"container {container.name} shares the host's network (--network host), so it has no "
                f"interface of its own; name one of the host's with --interface instead"
            )
        yield _PROC / "self/fd" / str(namespace)
    finally:
        os.close(namespace)


def _open(container: Container, process: int) -> int:
    """The namespace of the process that the pidfd stands for, if that is the container's."""
    entry = _PROC / str(container.pid)
    try:
        namespace = os.open(entry / "ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ContainerGone(f"container {container.name} has ended") from error
    try:
        cgroups = (entry / "cgroup").read_text()
        # What was read by pid is of our process only if that was still there afterwards.
        if select.select([process], [], [], 0)[0]:
            raise ContainerGone(f"container {container.name} has ended")
        if container.id not in owners(cgroups):
            raise NotItsOwn(
                f"process {container.pid} is not in the cgroup of container {container.name}; "
                f"it is left alone (containers without a cgroup of their own cannot be found by name)"
            )
    except BaseException as error:
        os.close(namespace)
        if isinstance(error, OSError):
            raise ContainerGone(f"container {container.name} has ended") from error
        raise
    return namespace


def owners(cgroups: str) -> set[str]:
    """Ids of the containers that a process belongs to, from /proc/PID/cgroup (cgroups(7)).

    Of each path the outermost counts: what is below it, a container may name as it likes.
    """
    found = (_ID.search(line) for line in cgroups.splitlines())
    return {match.group() for match in found if match}
