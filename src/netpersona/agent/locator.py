"""Looks up where workloads meet the host, again whenever one may have moved. Level-triggered.

Nothing here changes the kernel: an interface that carries the default route or somebody's login is refused,
one that is not there is waited for. Of containers and virtual machines, tables that runtimes keep up to date
are asked, never the runtimes, so that none of them holds up a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from netpersona.agent.desired import Workload
from netpersona.agent.places import Found, Missing, Place, Refused, Unknown
from netpersona.datapath import (
    DatapathError,
    Endpoint,
    EndpointMissing,
    EndpointUnsupported,
    WaysIn,
    find_attachment,
    find_behind,
    find_tap,
)
from netpersona.host import Container, ContainerGone, Domain, NoSuchNic, NotItsOwn, choose, network_namespace


class Locate(Protocol):
    """Looks workloads up, those of one pass together. May block on netlink. Never raises."""

    def __call__(self, workloads: Iterable[Workload]) -> dict[str, Place]: ...


def locate(workload: Workload, ways_in: WaysIn) -> Place:
    """Resolve the namespace and interface of a workload to the host-side interface."""
    if workload.interface is None:
        return Unknown("the workload names no interface")
    try:
        return guarded(find_attachment(netns=workload.netns, interface=workload.interface), workload, ways_in)
    except EndpointMissing as error:
        return Missing(str(error))
    except DatapathError as error:
        return Unknown(f"cannot look for {workload.interface}: {error}")


def guarded(endpoint: Endpoint, workload: Workload, ways_in: WaysIn) -> Found | Refused:
    """The interface, unless it is what the operator comes in by. Raises DatapathError."""
    reason = None if workload.allow_management else ways_in.reason(endpoint.interface)
    if reason:
        return Refused(
            f"{endpoint.interface} {reason}; a persona on it could cut you off. "
            f"If that is what you want, add the workload with --allow-management"
        )
    return Found(faced(endpoint, workload.facing))


def faced(endpoint: Endpoint, wanted: str) -> Endpoint:
    """With the side that the workload is said to be on."""
    return endpoint if wanted == "auto" else endpoint.faced(wanted)


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
            return _looked_up(workload, ways_in, lambda: self._container(container, workload.interface))
        if domain is not None:
            return _looked_up(workload, ways_in, lambda: self._domain(domain, workload.interface))
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


def _looked_up(workload: Workload, ways_in: WaysIn, look: Callable[[], Place | Endpoint]) -> Place:
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
