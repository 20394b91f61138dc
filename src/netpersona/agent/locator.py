"""Workloads that are known by name: which interface a container or a virtual machine has now.

Tables that runtimes keep up to date are asked, never the runtimes, so that none of them holds up a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from netpersona.agent.desired import Workload
from netpersona.agent.workloads import Missing, Place, Refused, Unknown, guarded, locate
from netpersona.datapath import (
    DatapathError,
    Endpoint,
    EndpointMissing,
    EndpointUnsupported,
    WaysIn,
    find_behind,
    find_tap,
)
from netpersona.host import Container, ContainerGone, Domain, NoSuchNic, NotItsOwn, choose, network_namespace


class Containers(Protocol):
    """`ContainerWatch`, or a test's."""

    def find(self, reference: str) -> list[Container]: ...

    @property
    def complete(self) -> bool: ...

    @property
    def problem(self) -> str: ...


class Domains(Protocol):
    """`DomainWatch`, or a test's."""

    heard: bool
    problem: str

    def find(self, name: str) -> Domain | None: ...


class Locator:
    """A `Locate` for workloads of every sort."""

    def __init__(self, containers: Containers, domains: Domains) -> None:
        self._containers = containers
        self._domains = domains

    def __call__(self, workloads: Iterable[Workload]) -> dict[str, Place]:
        ways_in = WaysIn()
        return {workload.workload_id: self._place(workload, ways_in) for workload in workloads}

    def _place(self, workload: Workload, ways_in: WaysIn) -> Place:
        container, domain = workload.container, workload.domain
        if container is not None:
            return _judged(workload, ways_in, lambda: self._container(container, workload.interface))
        if domain is not None:
            return _judged(workload, ways_in, lambda: self._domain(domain, workload.interface))
        return locate(workload, ways_in)

    def _container(self, reference: str, interface: str | None) -> Place | Endpoint:
        found = self._containers.find(reference)
        running = [container for container in found if container.running]
        if len(running) > 1:
            return Refused(f"{len(running)} containers are called {reference}; name the one by its id")
        if running:
            return _of_container(running[0], interface)
        if not self._containers.complete:
            return _unknown(f"container {reference}", self._containers.problem)
        return Missing(f"container {reference} does not run" if found else f"no container {reference} here")

    def _domain(self, name: str, wanted: str | None) -> Place | Endpoint:
        domain = self._domains.find(name)
        if not self._domains.heard:
            return _unknown(f"domain {name}", self._domains.problem)
        if domain is None or not domain.running:
            return Missing(f"domain {name} does not run" if domain else f"no domain {name} here")
        nic = choose(domain, wanted)
        return find_tap(nic.tap, nic.ifindex, f"domain {name}")


def _unknown(what: str, problem: str) -> Unknown:
    """Says nothing while there is no problem yet: the answer is under way."""
    return Unknown(f"cannot look for {what}: {problem}" if problem else "")


def _of_container(container: Container, interface: str | None) -> Endpoint:
    with network_namespace(container) as namespace:
        return find_behind(namespace, interface, f"container {container.name}")


def _judged(workload: Workload, ways_in: WaysIn, look: Callable[[], Place | Endpoint]) -> Place:
    """What is for a person to decide is refused; what the kernel would not tell may be told next time."""
    try:
        found = look()
        return guarded(found, workload, ways_in) if isinstance(found, Endpoint) else found
    except (ContainerGone, EndpointMissing) as error:
        return Missing(str(error))
    except (NoSuchNic, NotItsOwn, EndpointUnsupported) as error:
        return Refused(str(error))
    except (DatapathError, OSError) as error:
        return Unknown(f"cannot look for {workload.container or workload.domain}: {error}")
