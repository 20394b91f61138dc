"""Queues: rules steer flows into them, and the engine serves them by priority under the rate limit."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netpersona.kinds.base import Frozen, Int
from netpersona.kinds.persona.hardware import InterruptCoalescing, SaysSomething
from netpersona.kinds.persona.rules import Rules

MAX_QUEUES = 16


class Queue(Frozen):
    """One queue. It acts in a direction that has a bandwidth."""

    queue_id: Annotated[Int, Field(ge=0, le=MAX_QUEUES - 1)]
    """Its number, used once."""
    priority: Annotated[Int, Field(ge=0, le=7)] = 0
    """Of two waiting packets the one of the higher priority is sent first."""
    queue_length: Annotated[Int, Field(ge=1, le=1_000_000)] | None = None
    """Packets that may wait; from the rate when left out."""
    interrupt_coalescing: Annotated[InterruptCoalescing | None, SaysSomething] = None
    """Of the hardware queue of that number; of the whole NIC where it has one setting for all."""
    filtering_rules: Rules = ()
    """Flows that go into this queue (or are dropped by it)."""
