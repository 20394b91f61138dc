"""Filtering rules. A rule matches a flow as it was opened; packets of the reply direction follow the flow."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from netpersona.kinds.base import Frozen
from netpersona.kinds.errors import Refused
from netpersona.kinds.units import shown

PROTOCOLS = {"any": 0, "icmp": 1, "tcp": 6, "udp": 17, "icmpv6": 58}
_PROTOCOL_NAMES = {number: name for name, number in PROTOCOLS.items()}
_WITH_PORTS = ("any", "tcp", "udp")


class Ports(NamedTuple):
    """An inclusive range of ports."""

    low: int
    high: int

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low}-{self.high}"


_PORT_REMEDY = "write a port from 1 to 65535, or a range as in 5060-5061"
_RANGE = re.compile(r"\s*([0-9]{1,5})\s*(?:-\s*([0-9]{1,5})\s*)?", re.ASCII)


def _ports(value: object) -> Ports:
    if isinstance(value, Ports):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        low = high = value
    else:
        match = _RANGE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise Refused(f"{shown(value)} is not a port", _PORT_REMEDY)
        low, high = int(match[1]), int(match[2] or match[1])
    if not 1 <= low <= 65535 or not 1 <= high <= 65535:
        raise Refused(f"{shown(value)} is outside 1 to 65535", _PORT_REMEDY)
    if low > high:
        raise Refused(f"the range {low}-{high} runs backwards", f"write {high}-{low}")
    return Ports(low, high)


def _ports_out(ports: Ports) -> int | str:
    return ports.low if ports.low == ports.high else str(ports)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _prefix(value: object) -> Network:
    if isinstance(value, Network):
        return value
    remedy = "write an address or prefix, as in 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32"
    if not isinstance(value, str) or "%" in value:
        raise Refused(f"{shown(value)} is not a prefix", remedy)
    try:
        network = ipaddress.ip_network(value.strip(), strict=False)
    except ValueError:
        raise Refused(f"{shown(value)} is not a prefix", remedy) from None
    if network.network_address != ipaddress.ip_interface(value.strip()).ip:
        raise Refused(f"{shown(value)} has bits set behind the prefix", f"write {network}")
    return network


def _protocol(value: object) -> str:
    remedy = f"write one of {', '.join(PROTOCOLS)}, or an IP protocol number from 1 to 255"
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= 255:
            raise Refused(f"{shown(value)} is not an IP protocol number", remedy)
        return _PROTOCOL_NAMES.get(value, str(value))
    if isinstance(value, str) and value.lower() in PROTOCOLS:
        return value.lower()
    if isinstance(value, str) and re.fullmatch("[0-9]{1,3}", value, re.ASCII):
        return _protocol(int(value))
    raise Refused(f"{shown(value)} is not a protocol", remedy)


def _protocol_out(protocol: str) -> str | int:
    return int(protocol) if protocol.isdigit() else protocol


_PORT_SCHEMA = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 65535},
        {"type": "string", "pattern": r"^\s*[0-9]{1,5}\s*(-\s*[0-9]{1,5}\s*)?$"},
    ],
    "description": "A port, or an inclusive range as in 5060-5061.",
}
Port = Annotated[Ports, BeforeValidator(_ports), PlainSerializer(_ports_out), WithJsonSchema(_PORT_SCHEMA)]
Prefix = Annotated[
    Network,
    BeforeValidator(_prefix),
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "description": "An IPv4 or IPv6 address or prefix."}),
]
Protocol = Annotated[
    str,
    BeforeValidator(_protocol),
    PlainSerializer(_protocol_out),
    WithJsonSchema({"anyOf": [{"enum": list(PROTOCOLS)}, {"type": "integer", "minimum": 1, "maximum": 255}]}),
]


class Opening(Frozen):
    """What a security profile lets in."""

    protocol: Protocol = "any"
    """IP protocol; icmp covers ICMPv6 too unless an address says IPv4."""
    port: Port | None = None
    """Port or range that the flow is opened to."""
    source: Prefix | None = None
    """Who opens the flow."""

    @model_validator(mode="after")
    def _ports_have_a_protocol(self) -> Opening:
        _check_ports(self.protocol, {"port": self.port})
        return self


class Rule(Frozen):
    """A filtering rule. The first that matches a flow decides it."""

    protocol: Protocol = "any"
    """IP protocol; icmp covers ICMPv6 too unless an address says IPv4."""
    port: Port | None = None
    """Port or range that the flow is opened to."""
    source_port: Port | None = None
    """Port or range that the flow is opened from."""
    source: Prefix | None = None
    """Who opens the flow."""
    destination: Prefix | None = None
    """Whom the flow is opened to."""
    direction: Literal["egress", "ingress", "both"] = "both"
    """egress: flows that the workload opens; ingress: flows opened to it."""
    action: Literal["forward", "drop"] = "forward"
    """What happens to the flow."""

    @model_validator(mode="after")
    def _matches_something(self) -> Rule:
        _check_ports(self.protocol, {"port": self.port, "source_port": self.source_port})
        if self.source and self.destination and self.source.version != self.destination.version:
            raise Refused(
                "source and destination are of different IP versions, so no packet matches",
                "write one rule for IPv4 and one for IPv6",
                ("destination",),
            )
        _check_family(self)
        return self


def _check_ports(protocol: str, ports: dict[str, Any]) -> None:
    for key, value in ports.items():
        if value is not None and protocol not in _WITH_PORTS:
            raise Refused(f"{protocol} has no ports", f"remove {key}, or write protocol: tcp or udp", (key,))


def _check_family(rule: Rule) -> None:
    for key in ("source", "destination"):
        prefix: Network | None = getattr(rule, key)
        if rule.protocol == "icmpv6" and prefix is not None and prefix.version == 4:
            raise Refused(
                f"icmpv6 never travels over IPv4, and {key} is IPv4", "write protocol: icmp", (key,)
            )


Rules = Annotated[tuple[Rule, ...], Field(max_length=128)]
