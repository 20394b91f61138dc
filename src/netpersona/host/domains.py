"""Virtual machines as libvirt describes them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

TAP_TYPES = frozenset({"bridge", "network", "ethernet"})
"""Of <interface>: those that libvirt makes or takes a TAP for (formatdomain.html, "Network interfaces")."""


@dataclass(frozen=True)
class Nic:
    """`tap` is its interface on the host, with the index that it had while the domain had it."""

    mac: str
    tap: str
    ifindex: int = 0


@dataclass(frozen=True)
class Domain:
    """`number` differs from one start to the next; 0 while it does not run."""

    name: str
    number: int
    nics: tuple[Nic, ...] = ()

    @property
    def running(self) -> bool:
        return self.number > 0


class NoSuchNic(Exception):
    """The text says which there are."""


def read_domain(xml: str) -> Domain:
    """With its NICs that have a TAP, in the order in which the machine has them. Raises ValueError."""
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise ValueError(f"libvirt's description cannot be read: {error}") from error
    nics = (_nic(element) for element in root.iterfind("./devices/interface"))
    number = int(root.get("id") or 0)  # of a machine that runs; formatdomain.html, "Element and attribute"
    return Domain(root.findtext("name") or "", number, tuple(nic for nic in nics if nic) if number else ())


def _nic(element: ElementTree.Element) -> Nic | None:
    mac, target = element.find("mac"), element.find("target")
    tap = target.get("dev") if target is not None else None
    if not tap or element.get("type") not in TAP_TYPES:
        return None
    return Nic(mac=(mac.get("address") or "").lower() if mac is not None else "", tap=tap)


def choose(domain: Domain, wanted: str | None) -> Nic:
    """The NIC that a MAC address, a number from 0 on, or a TAP's name means; without, the only one.

    Raises:
        NoSuchNic
    """
    if wanted is None and len(domain.nics) == 1:
        return domain.nics[0]
    for number, nic in enumerate(domain.nics):
        if wanted is not None and wanted.lower() in (nic.mac, str(number), nic.tap.lower()):
            return nic
    listed = ", ".join(f"{number}: {nic.mac} ({nic.tap})" for number, nic in enumerate(domain.nics))
    if not domain.nics:
        raise NoSuchNic(f"domain {domain.name} has no NIC with a TAP on this host")
    if wanted is None:
        raise NoSuchNic(
            f"domain {domain.name} has {len(domain.nics)} NICs; choose one by number or MAC address "
            f"with --interface: {listed}"
        )
    raise NoSuchNic(f"domain {domain.name} has no NIC {wanted}; it has {listed}")
