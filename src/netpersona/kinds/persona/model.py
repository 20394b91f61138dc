"""The persona: the validated, immutable document. Key by key it is DESIGN's canonical spelling."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, PrivateAttr, WithJsonSchema, model_validator

from netpersona.kinds.base import Frozen, Int, Prose, Text
from netpersona.kinds.errors import Refused
from netpersona.kinds.names import PERSONA_ID
from netpersona.kinds.persona.conditions import Link
from netpersona.kinds.persona.hardware import (
    Channels,
    InterruptCoalescing,
    Offloads,
    QueueLength,
    Rings,
    Rss,
    SaysSomething,
)
from netpersona.kinds.persona.profiles import SecurityProfile
from netpersona.kinds.persona.queues import MAX_QUEUES, Queue
from netpersona.kinds.persona.rules import Rule, Rules
from netpersona.kinds.units import Size, shown

MAX_RULES = 128
ETHERNET_HEADER = 14

# RFC 2474 (class selectors), 2597 (assured forwarding), 3246 (ef), 5865 (va), 8622 (le).
DSCP_NAMES = {
    **{f"cs{i}": 8 * i for i in range(8)},
    **{f"af{i}{j}": 8 * i + 2 * j for i in range(1, 5) for j in range(1, 4)},
    "ef": 46,
    "va": 44,
    "le": 1,
}
_DSCP_BY_NUMBER = {number: name for name, number in DSCP_NAMES.items()}


def _dscp(value: object) -> int:
    if isinstance(value, str) and value.lower() in DSCP_NAMES:
        return DSCP_NAMES[value.lower()]
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 63:
        return value
    raise Refused(
        f"{shown(value)} is not a DSCP", "write 0 to 63, or a name: ef, va, le, cs0 to cs7, af11 to af43"
    )


def _dscp_out(value: int) -> int | str:
    return _DSCP_BY_NUMBER.get(value, value)


Dscp = Annotated[
    int,
    BeforeValidator(_dscp),
    PlainSerializer(_dscp_out),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 63}, {"enum": sorted(DSCP_NAMES)}]}
    ),
]


def _routing(value: object) -> object:
    if value in ("dynamic", "chaotic"):
        raise Refused(
            f"routing_profile {value} is not there yet", "write static, or leave routing_profile out"
        )
    return value


class Persona(Frozen):
    """How the network of a workload behaves. Directions are the workload's: egress is what it sends."""

    persona_id: Annotated[Text, Field(pattern=PERSONA_ID)]
    """Name: lower-case letters, digits and hyphens, up to 63, as a DNS label (RFC 1123)."""
    description: Prose = ""
    """For people."""
    qos_priority: Annotated[Int, Field(ge=1, le=10)] = 5
    """10 is the highest; becomes the packets' kernel priority 0 to 7."""
    dscp: Dscp | None = None
    """DSCP written into the packets that the workload sends and receives; left as it is when left out."""
    security_profile: SecurityProfile = "open"
    """Which flows may be opened to the workload."""
    established_flows: Literal["cut", "keep"] = "cut"
    """What happens to flows let in before that this persona does not allow. keep: they stay, and so do TCP
    flows from before anything was judged, if they are heard of within a minute."""
    default_action: Literal["forward", "drop"] = "forward"
    """What happens to a flow that no filtering rule matches."""
    mtu: Annotated[Int, Field(ge=68, le=65535)] | None = None
    """Largest IP packet in bytes; larger ones are treated as a router does. IPv6 needs 1280 (RFC 8200)."""
    egress: Link = Link()
    """What happens to packets that the workload sends."""
    ingress: Link = Link()
    """What happens to packets that the workload receives."""
    routing_profile: Annotated[Literal["static"], BeforeValidator(_routing)] = "static"
    """Only static so far."""
    filtering_rules: Rules = ()
    """Rules that come before those of the queues."""
    queue_configuration: Annotated[tuple[Queue, ...], Field(max_length=MAX_QUEUES)] = ()
    """Queues, each with its own rules, tried in this order."""
    interrupt_coalescing: Annotated[InterruptCoalescing | None, SaysSomething] = None
    """Of all hardware queues of the interface."""
    channels: Annotated[Channels | None, SaysSomething] = None
    """How many hardware queues the interface uses."""
    rings: Annotated[Rings | None, SaysSomething] = None
    """How long its hardware queues are."""
    rss: Annotated[Rss | None, SaysSomething] = None
    """How it spreads received flows over its queues."""
    offloads: Annotated[Offloads | None, SaysSomething] = None
    """What it does for the kernel, each true or false, by ethtool's names: tso, gro, rx-checksum …"""
    txqueuelen: QueueLength | None = None
    """Packets that may wait in the kernel for the interface."""
    seed: Annotated[Int, Field(ge=0, le=2**64 - 1)] = 0
    """Of all random decisions; 0: picked when the persona is put on, and reported."""
    in_flight: Literal["keep", "drain", "flush"] = "keep"
    """Packets under way when this persona takes over: keep their times, are sent at once, or are dropped."""
    engine_failure: Literal["open", "closed"] = "open"
    """When the packet engine is dead: open passes packets without conditions, closed drops them."""

    _origin: tuple[str, ...] = PrivateAttr(default=())

    @model_validator(mode="after")
    def _fits_together(self) -> Persona:
        _check_queues(self)
        _check_bursts(self)
        return self

    def __eq__(self, other: object) -> bool:
        """Equal when the documents are: what spelling one came from does not count."""
        return isinstance(other, Persona) and self.__dict__ == other.__dict__

    @property
    def origin(self) -> tuple[str, ...]:
        """What the flat spellings were turned into, for `explain`; empty for a canonical document."""
        return self._origin

    @property
    def rules(self) -> tuple[tuple[Rule, int | None], ...]:
        """All rules in the order they are tried, each with its queue."""
        queued = (
            (rule, queue.queue_id) for queue in self.queue_configuration for rule in queue.filtering_rules
        )
        return (*((rule, None) for rule in self.filtering_rules), *queued)


def from_origin(persona: Persona, notes: tuple[str, ...]) -> Persona:
    """The same persona, remembering what its spelling was turned into."""
    copy = persona.model_copy()
    copy._origin = notes
    return copy


def _check_queues(persona: Persona) -> None:
    seen: set[int] = set()
    for index, queue in enumerate(persona.queue_configuration):
        if queue.queue_id in seen:
            free = next(i for i in range(MAX_QUEUES) if i not in seen)
            at: tuple[Any, ...] = ("queue_configuration", index, "queue_id")
            raise Refused(f"queue_id {queue.queue_id} is used twice", f"write a free one, as {free}", at)
        seen.add(queue.queue_id)
    if len(persona.rules) > MAX_RULES:
        raise Refused(
            f"{len(persona.rules)} filtering rules, counting those of the queues, are more than {MAX_RULES}",
            "merge rules: ports take ranges, addresses take prefixes",
            ("queue_configuration",),
        )


def _check_bursts(persona: Persona) -> None:
    frame = min(persona.mtu or 1500, 1500) + ETHERNET_HEADER
    for direction in ("egress", "ingress"):
        burst: Size | None = getattr(persona, direction).burst
        if burst is not None and burst < frame:
            raise Refused(
                f"a burst of {burst} is smaller than one frame, so no full packet could ever be sent",
                f"write {Size(frame)} or more, or leave burst out",
                (direction, "burst"),
            )
