"""What a change answers: a plan where it was a dry run, a record otherwise."""

from __future__ import annotations

from typing import Any

from netpersona.control.store import Record


def stored(outcome: Record | dict[str, Any]) -> Record:
    assert isinstance(outcome, Record)
    return outcome


def planned(outcome: Record | dict[str, Any]) -> dict[str, Any]:
    assert isinstance(outcome, dict)
    return outcome
