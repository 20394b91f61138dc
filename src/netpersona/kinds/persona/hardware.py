"""Settings of the interface itself, as ethtool(8) has them. What is left out is left alone.

rx and tx are the interface's own: a TAP or veth of a workload receives what the workload sends.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, StrictBool, model_validator

from netpersona.kinds.base import Frozen, Int, Text
from netpersona.kinds.errors import Refused
from netpersona.kinds.units import shown

Microseconds = Annotated[Int, Field(ge=0, le=1_000_000)]
Frames = Annotated[Int, Field(ge=0, le=65535)]
Count = Annotated[Int, Field(ge=1, le=4096)]
RingSize = Annotated[Int, Field(ge=1, le=65536)]


T = TypeVar("T")


def _none_where_nothing_is_said(value: T) -> T | None:
    """So that documents that say the same are equal."""
    said = value.__dict__.values() if isinstance(value, BaseModel) else value
    return value if isinstance(said, Iterable) and any(one is not None for one in said) else None


SaysSomething = AfterValidator(_none_where_nothing_is_said)


class InterruptCoalescing(Frozen):
    """When a NIC raises an interrupt (`ethtool -C`, for one queue `ethtool -Q`)."""

    rx_usecs: Microseconds | None = None
    """Microseconds after a received frame."""
    rx_frames: Frames | None = None
    """Received frames."""
    tx_usecs: Microseconds | None = None
    """Microseconds after a sent frame."""
    tx_frames: Frames | None = None
    """Sent frames."""
    adaptive: StrictBool | None = None
    """The driver chooses by what passes, for both directions."""
    adaptive_rx: StrictBool | None = None
    """The same for what is received; counts before adaptive."""
    adaptive_tx: StrictBool | None = None
    """The same for what is sent; counts before adaptive."""


class Channels(Frozen):
    """Queues with an interrupt of their own (`ethtool -L`)."""

    rx: Count | None = None
    """Receiving only."""
    tx: Count | None = None
    """Sending only."""
    combined: Count | None = None
    """Both."""


class Rings(Frozen):
    """Descriptors of each hardware queue (`ethtool -G`)."""

    rx: RingSize | None = None
    """Frames that may wait for the host."""
    tx: RingSize | None = None
    """Frames that may wait for the wire."""


def _key(value: object) -> object:
    """Hexadecimal digits, whatever stands between bytes."""
    digits = value.replace(":", "").strip().lower() if isinstance(value, str) else ""
    try:
        bytes.fromhex(digits)
    except ValueError:
        digits = ""
    if not digits or len(digits) > 512:
        raise Refused(f"{shown(value)} is not a hash key", "write bytes in hexadecimal, as in 6d:5a:56:da")
    return digits


class Rss(Frozen):
    """How received flows spread over queues (`ethtool -X`)."""

    equal: Count | None = None
    """Over the first so many queues, evenly."""
    weights: Annotated[tuple[Annotated[Int, Field(ge=0, le=4096)], ...], Field(max_length=128)] | None = None
    """Share of each queue, from 0 on."""
    key: Annotated[Text, Field(max_length=768), BeforeValidator(_key)] | None = None
    """Of the hash, in hexadecimal."""

    @model_validator(mode="after")
    def _one_table(self) -> Rss:
        if self.equal is not None and self.weights is not None:
            raise Refused("equal and weights exclude each other", "keep one", ("weights",))
        if self.weights is not None and not sum(self.weights):
            raise Refused("no queue has a weight", "give at least one queue 1 or more", ("weights",))
        return self


MAX_OFFLOADS = 64
Offload = Annotated[Text, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]


def _offloads(value: Any) -> Any:
    if isinstance(value, dict) and len(value) > MAX_OFFLOADS:
        raise Refused(f"more than {MAX_OFFLOADS} offloads", f"keep to {MAX_OFFLOADS}")
    return value


Offloads = Annotated[dict[Offload, StrictBool], BeforeValidator(_offloads), Field(max_length=MAX_OFFLOADS)]
QueueLength = Annotated[Int, Field(ge=0, le=1_000_000)]
