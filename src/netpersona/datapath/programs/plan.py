"""From what the kernel programs do to what they should do. Pure.

Two things are kept apart: which interfaces carry our programs (netlink, milliseconds, rarely changes)
and which persona is in force there (one store, changes often).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from netpersona.datapath.driver import NOTHING, Assigned, Change, Target, Wanted
from netpersona.datapath.types import Endpoint, Facing
from netpersona.kinds.persona import CompiledPersona

NULL_DIGEST = ""
"""Stands for the null persona."""
ADOPT_NS = 1_000_000_000
"""An expiry this close to the one wanted is the one wanted: wall and monotonic clocks drift apart."""


@dataclass(frozen=True)
class Applied:
    """What our programs do on an interface, personas by digest.

    `whole` is False where attaching or detaching was cut short.
    `lapsed`: the lease has ended, so `fallback` is in force.
    """

    attachment: int
    facing: Facing
    whole: bool
    digest: str = NULL_DIGEST
    expires_ns: int = 0
    fallback: str = NULL_DIGEST
    lapsed: bool = False


@dataclass(frozen=True)
class Attach(Change):
    """Put the programs on an interface, under the null persona."""

    endpoint: Endpoint


@dataclass(frozen=True)
class Detach(Change):
    """Take them off."""


@dataclass(frozen=True)
class Bind(Change):
    """Put a persona in force: one store."""

    assigned: Assigned


ProgramsChange = Attach | Detach | Bind


def plan(current: Mapping[int, Applied], wanted: Wanted) -> list[ProgramsChange]:
    """What is given up first, so that its numbers are there for others."""
    changes: list[ProgramsChange] = [Detach(ifindex, None) for ifindex in current if wanted.gives_up(ifindex)]
    for ifindex, target in wanted.targets.items():
        changes += _of_target(current.get(ifindex), target)
    return changes


def _of_target(found: Applied | None, target: Target) -> Iterator[ProgramsChange]:
    if target.endpoint is not None and not _is_in_place(found, target.endpoint):
        if found is not None:
            yield Detach(target.ifindex, target.workload_id)
        yield Attach(target.ifindex, target.workload_id, target.endpoint)
        if target.assigned is not None and target.assigned != NOTHING:
            yield _bind(target, target.assigned)
    elif target.assigned is not None and not (found and is_in_force(found, target.assigned)):
        yield _bind(target, target.assigned)  # which says so where nothing is attached


def _is_in_place(found: Applied | None, endpoint: Endpoint) -> bool:
    return found is not None and found.whole and found.facing == endpoint.facing


def _bind(target: Target, assigned: Assigned) -> Bind:
    return Bind(target.ifindex, target.workload_id, assigned, instant=True)


def is_in_force(found: Applied, assigned: Assigned) -> bool:
    """Whether no store is due. A needless one would be another generation, and could flush the delay line.

    So a lease that ran out into the persona that is wanted is left alone.
    """
    digest, fallback = digest_of(assigned.persona), digest_of(assigned.fallback)
    if found.lapsed and not assigned.expires_ns:
        return found.fallback == digest
    if found.digest != digest or bool(found.expires_ns) != bool(assigned.expires_ns):
        return False
    if not assigned.expires_ns:
        return True
    return found.fallback == fallback and abs(found.expires_ns - assigned.expires_ns) <= ADOPT_NS


def digest_of(persona: CompiledPersona | None) -> str:
    return persona.digest if persona else NULL_DIGEST
