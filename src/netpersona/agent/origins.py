"""From where a workload's own side can be asked something."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from netpersona.agent.desired import Workload
from netpersona.agent.locator import Containers
from netpersona.datapath import DatapathError, Endpoint, Facing, Origin, Unanswered, netns_path, reach
from netpersona.host import ContainerGone, NotItsOwn, network_namespace
from netpersona.kinds.probe import Probe

ANSWER_S = 1.0
"""How long an answer may take."""


class Origins:
    """Asks probes of workloads of every sort. `ask` blocks; call it in a thread."""

    def __init__(self, containers: Containers) -> None:
        self._containers = containers

    def ask(self, workload: Workload, endpoint: Endpoint, probe: Probe) -> str:
        """ "" where it answered, else why not."""
        try:
            with self._origin(workload, endpoint) as origin:
                reach(probe, origin, timeout_s=ANSWER_S)
        except (Unanswered, ContainerGone, NotItsOwn, DatapathError, OSError) as error:
            return str(error)
        return ""

    @contextmanager
    def _origin(self, workload: Workload, endpoint: Endpoint) -> Iterator[Origin]:
        """A namespace is entered where there is one. A virtual machine cannot be: the host asks it."""
        if workload.container is not None:
            running = [one for one in self._containers.find(workload.container) if one.running]
            if len(running) != 1:
                raise Unanswered(f"container {workload.container} does not run")
            with network_namespace(running[0]) as namespace:
                yield Origin(namespace, workload.interface)
        elif workload.netns is not None:
            yield Origin(netns_path(workload.netns), workload.interface)
        elif endpoint.facing is Facing.NETWORK:
            yield Origin(None, endpoint.interface)
        else:
            yield Origin(behind=endpoint.ifindex)
