"""What an agent asks while an assignment waits to be confirmed: `ping:ADDR`, `tcp:ADDR:PORT` or `http:URL`.

Data, never a command: numeric addresses only, so that nothing is looked up on the way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, StrictStr

from netpersona.kinds.errors import Refused
from netpersona.kinds.shown import brief

FORMS: Final = "ping:10.0.0.1, tcp:10.0.0.1:443 or http://10.0.0.1/health"
PASSES: Final = 3
"""Answers in a row that confirm an assignment."""
FAILURES: Final = 3
"""Failures in a row that take it back at once."""

Address = IPv4Address | IPv6Address

_TARGET = re.compile(r"[!-~]{0,400}")
"""RFC 9112 section 3.2: visible ASCII, so that nothing else can end a request line."""


@dataclass(frozen=True, slots=True)
class Probe:
    """`port` is 0 of a ping; `target` is path and query of a URL."""

    sort: Literal["ping", "tcp", "http"]
    address: Address
    port: int = 0
    target: str = ""

    def __str__(self) -> str:
        host = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        if self.sort == "ping":
            return f"ping:{self.address}"
        return f"tcp:{host}:{self.port}" if self.sort == "tcp" else f"http://{host}:{self.port}{self.target}"


def parse_probe(text: str) -> Probe:
    """Raises Refused with what to write instead."""
    sort, colon, rest = text.partition(":")
    if sort == "ping" and colon:
        return Probe("ping", _address(rest))
    if sort == "tcp" and colon:
        return Probe("tcp", *_place(rest))
    if sort == "http" and colon:
        return _http(rest.removeprefix("http:"))
    if sort == "https" or rest.startswith("https:"):
        raise Refused("https needs a name to check a certificate against", "write tcp:ADDRESS:443, or http")
    raise Refused(f"{brief(text, 40)} is no probe", f"write {FORMS}")


def canonical(text: str) -> str:
    """As `str` of the probe writes it. Raises Refused."""
    return str(parse_probe(text))


ProbeText = Annotated[
    StrictStr,
    Field(max_length=500, description="ping:ADDRESS, tcp:ADDRESS:PORT or http://ADDRESS[:PORT]/PATH"),
    AfterValidator(canonical),
]


def _http(rest: str) -> Probe:
    if not rest.startswith("//"):
        raise Refused("the URL has no address", f"write {FORMS}")
    place, slash, path = rest[2:].partition("/")
    if "@" in place or "?" in place or "#" in rest:
        raise Refused("the URL holds more than address, port, path and query", f"write {FORMS}")
    target = slash + path or "/"
    if not _TARGET.fullmatch(target):
        raise Refused("the path of the URL is not visible ASCII of 400 characters", "encode it with %")
    is_whole = place.endswith("]") if place.startswith("[") else ":" not in place
    address, port = _place(f"{place}:80" if is_whole else place)
    return Probe("http", address, port, target)


def _place(text: str) -> tuple[Address, int]:
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise Refused(f"{brief(text, 60)} is ambiguous", "write an IPv6 address in brackets, [fd00::1]:443")
    if not colon or not (port.isascii() and port.isdecimal() and len(port) <= 5 and 0 < int(port) < 65536):
        raise Refused(f"{brief(text, 60)} has no port", f"write {FORMS}")
    return _address(host), int(port)


def _address(text: str) -> Address:
    try:
        address = ip_address(text)
    except ValueError:
        raise Refused(
            f"{brief(text, 60)} is no address",
            "write it in numbers, 10.0.0.1 or fd00::1: names are not looked up",
        ) from None
    if isinstance(address, IPv6Address) and (address.scope_id or address.ipv4_mapped):
        raise Refused(f"{brief(text, 60)} cannot be asked", "write an address without scope or IPv4 in it")
    if address.is_multicast or address.is_unspecified or address == IPv4Address("255.255.255.255"):
        raise Refused(f"{address} is nobody's address", "write the address of one host")
    if address.is_loopback or (address.is_link_local and address.version == 6):
        raise Refused(
            f"{address} does not lead through the interface", "write an address behind the interface"
        )
    return address
