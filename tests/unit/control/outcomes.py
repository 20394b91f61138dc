"""What a change answers: a plan where it was a dry run, a record otherwise."""

from __future__ import annotations

from typing import Any, Final

from netpersona.control import Service
from netpersona.control.identity.calls import Call
from netpersona.control.preconditions import Precondition
from netpersona.control.store.protocol import Record

DRY: Final = Call(dry_run=True)
ANYHOW: Final = Call(condition=Precondition(if_match="*"))
"""Whatever revision is there."""
DRY_ANYHOW: Final = Call(condition=Precondition(if_match="*"), dry_run=True)


def stored(outcome: Record | dict[str, Any]) -> Record:
    assert isinstance(outcome, Record)
    return outcome


def planned(outcome: Record | dict[str, Any]) -> dict[str, Any]:
    assert isinstance(outcome, dict)
    return outcome


def shown(service: Service, name: str = "w") -> dict[str, Any]:
    """As a client is shown it."""
    return service.workloads.kind.dump(service.workloads.get(name))
