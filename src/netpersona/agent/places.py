"""Where a workload meets the host, as far as that could be found out. Frozen; needs no kernel."""

from __future__ import annotations

from dataclasses import dataclass

from netpersona.datapath.types import Endpoint


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
