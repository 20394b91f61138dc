"""Where a workload meets the host, looked up again whenever it may have moved. Level-triggered.

Nothing here changes the kernel: an interface that carries the default route or somebody's login is
refused, one that is not there is waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from netpersona.agent.desired import Workload
from netpersona.datapath import DatapathError, Endpoint, EndpointMissing, WaysIn, find_attachment


@dataclass(frozen=True)
class Found:
    """The host-side interface to attach to."""

    endpoint: Endpoint


@dataclass(frozen=True)
class Missing:
    """Not there now; it may come."""

    reason: str


@dataclass(frozen=True)
class Refused:
    """There, but attaching could cut the operator off, or could meet another than was meant."""

    reason: str


@dataclass(frozen=True)
class Unknown:
    """The look-up itself failed, or is under way ("" is the reason); what is attached stays so."""

    reason: str


Place = Found | Missing | Refused | Unknown


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


def rivals(places: Mapping[str, Place], holders: Mapping[str, int]) -> dict[str, str]:
    """Workloads that found an interface which another already has: loser → winner.

    `holders` maps workloads to the ifindex they are attached to; a holder wins, then the first name.
    """
    owners = {ifindex: name for name, ifindex in holders.items() if name not in places}
    losers: dict[str, str] = {}
    for name in sorted(places, key=lambda name: (name not in holders, name)):
        place = places[name]
        if isinstance(place, Found):
            owner = owners.setdefault(place.endpoint.ifindex, name)
            if owner != name:
                losers[name] = owner
    return losers
