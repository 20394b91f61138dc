"""Flows as they are opened: which statements of a persona match one, and its first packet. Pure.

Written from the document's meaning, not from the compiled rules, so that one can be held against the other.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, product

from netpersona.kinds.persona.rules import PROTOCOLS, Network, Opening, Ports, Rule

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Statement = Rule | Opening

TCP, UDP, ICMP, ICMPV6 = 6, 17, 1, 58
WITH_PORTS = frozenset({TCP, UDP, 33, 132, 136})
"""TCP, UDP, DCCP, SCTP and UDP-Lite: bpf/parse.h."""
_EXTENSIONS = frozenset({0, 43, 44, 51, 60})
"""Protocols that IPv6 takes for extension headers."""
_USUAL_PROTOCOLS = (TCP, UDP, ICMP, ICMPV6, 132, 253)
_SOMEBODY = {4: ipaddress.ip_address("192.0.2.1"), 6: ipaddress.ip_address("2001:db8::1")}
_SOMEONE_ELSE = {4: ipaddress.ip_address("198.51.100.1"), 6: ipaddress.ip_address("2001:db8:1::1")}
_SOME_PORTS = (7777, 40000, 1, 65535)
_DHCP = ({67, 68}, {546, 547})
_MOST_COMBINED = 100_000


@dataclass(frozen=True)
class Flow:
    """`direction` is the opener's: egress is the workload."""

    direction: str
    protocol: int
    source: Address
    destination: Address
    source_port: int
    port: int

    def packet(self) -> bytes:
        """Its first packet, from the IP header on; checksums are left out."""
        body = self._transport()
        if self.source.version == 4:
            head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0, 64, self.protocol, 0)
        else:
            head = struct.pack("!IHBB", 6 << 28, len(body), self.protocol, 64)
        return head + self.source.packed + self.destination.packed + body

    def _transport(self) -> bytes:
        if self.protocol == TCP:
            return struct.pack("!HHIIBBHHH", self.source_port, self.port, 1, 0, 5 << 4, 2, 1024, 0, 0)
        if self.protocol in WITH_PORTS:
            return struct.pack("!HHHH", self.source_port, self.port, 8, 0)
        echo = {ICMP: 8, ICMPV6: 128}.get(self.protocol, 0)
        return struct.pack("!BBHHH", echo, 0, 0, 1, 1)


def matches(statement: Statement, flow: Flow) -> bool:
    """Whether a filtering rule, or an opening of a security profile, speaks of this flow."""
    ports = [(statement.port, flow.port)]
    prefixes = [(statement.source, flow.source)]
    direction = "ingress"
    if isinstance(statement, Rule):
        ports.append((statement.source_port, flow.source_port))
        prefixes.append((statement.destination, flow.destination))
        direction = statement.direction
    return (
        direction in (flow.direction, "both")
        and _speaks_of(statement.protocol, flow)
        and all(wanted is None or address in wanted for wanted, address in prefixes)
        and all(wanted is None or _is_in(port, wanted, flow) for wanted, port in ports)
    )


def _speaks_of(protocol: str, flow: Flow) -> bool:
    if protocol == "icmp":
        return flow.protocol == (ICMP if flow.source.version == 4 else ICMPV6)
    return protocol == "any" or flow.protocol == number_of(protocol)


def _is_in(port: int, wanted: Ports, flow: Flow) -> bool:
    return flow.protocol in WITH_PORTS and wanted.low <= port <= wanted.high


def number_of(protocol: str) -> int:
    return PROTOCOLS[protocol] if protocol in PROTOCOLS else int(protocol)


def flows_of(statement: Statement | None, direction: str, others: Sequence[Statement]) -> Iterator[Flow]:
    """Flows that a statement (None: anything) matches, near the edges of all the others, a bounded number."""
    everything = statement if statement is not None else Rule()
    tried = product(
        (4, 6),
        _protocols(everything.protocol),
        _ports(everything.port, [other.port for other in others]),
        _addresses(everything.source, [other.source for other in others], _SOMEBODY),
        _addresses(_destination(everything), [_destination(other) for other in others], _SOMEONE_ELSE),
        _ports(_source_port(everything), [_source_port(other) for other in others])[::-1],
    )
    for version, protocol, port, source, destination, source_port in islice(tried, _MOST_COMBINED):
        if source.version == destination.version == version and _exists(version, protocol, port, source_port):
            yield Flow(direction, protocol, source, destination, source_port, port)


def _exists(version: int, protocol: int, port: int, source_port: int) -> bool:
    """Not one that no such packet is, nor DHCP, which always passes."""
    if protocol == (ICMPV6 if version == 4 else ICMP) or (version == 6 and protocol in _EXTENSIONS):
        return False
    return protocol != UDP or {port, source_port} not in _DHCP


def _protocols(wanted: str) -> Sequence[int]:
    if wanted == "any":
        return _USUAL_PROTOCOLS
    return (ICMP, ICMPV6) if wanted == "icmp" else (number_of(wanted),)


def _ports(wanted: Ports | None, others: Iterable[Ports | None]) -> list[int]:
    low, high = wanted or Ports(1, 65535)
    edges = [port for other in others if other for port in (other.high + 1, other.low - 1, *other)]
    first = [low, high] if wanted else list(_SOME_PORTS)
    return list(dict.fromkeys(port for port in (*first, *edges) if low <= port <= high))


def _addresses(
    wanted: Network | None, others: Iterable[Network | None], usual: dict[int, Address]
) -> list[Address]:
    first = [wanted[0], wanted[-1]] if wanted is not None else list(usual.values())
    edges = [address for other in others if other is not None for address in _edges(other)]
    return list(dict.fromkeys(a for a in (*first, *edges) if wanted is None or a in wanted))


def _edges(prefix: Network) -> Iterator[Address]:
    yield from (prefix[0], prefix[-1])
    if int(prefix[0]) > 0:
        yield prefix[0] - 1
    if int(prefix[-1]) < 2**prefix.max_prefixlen - 1:
        yield prefix[-1] + 1


def _destination(statement: Statement) -> Network | None:
    return statement.destination if isinstance(statement, Rule) else None


def _source_port(statement: Statement) -> Ports | None:
    return statement.source_port if isinstance(statement, Rule) else None
