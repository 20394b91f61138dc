"""What every change comes with: who makes it, what he knows of the resource, and whether he means it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from netpersona.control.preconditions import ALWAYS, Precondition


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call, as the listener knows him. What he may do, roles will say."""

    name: str
    over: str
    """"socket": root's own; "token": a bearer token over TCP; "": this process."""


ROOT: Final = Caller("root", "socket")
MANAGER: Final = Caller("manager", "")


@dataclass(frozen=True, slots=True)
class Call:
    """A change that is asked for. ``dry_run``: say what it would do and do nothing."""

    caller: Caller = MANAGER
    condition: Precondition = ALWAYS
    dry_run: bool = False


OURS: Final = Call()
"""A change that the manager makes by itself."""
