"""What applications require, and by which standards their packets are treated.

Sources: RFC 4594 (service classes and their DSCP), RFC 8622 (lower effort), ITU-T G.114 (one-way delay of
speech), 3GPP TS 23.501 table 5.7.4-1 (delay budget and error rate by 5QI), IANA (ports), makers' pages.
"""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from pydantic import Field, model_validator

from netpersona.kinds.base import Frozen
from netpersona.kinds.errors import Refused
from netpersona.kinds.names import PersonaName
from netpersona.kinds.units import Duration, Probability, Rate

Application = Literal["voip", "video", "gaming", "bulk", "backup"]


class Requirement(Frozen):
    """What an application requires of the network: by its name, by numbers, or both."""

    application: Application | None = Field(None, description="Gives all that is not said below")
    bandwidth: Rate | None = Field(None, description="Needed in each direction")
    latency: Duration | None = Field(None, description="One way, at most")
    loss: Probability | None = Field(None, description="At most")
    persona_id: PersonaName | None = Field(
        None, description="Name of the persona that is written; null: after application and workload"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Requirement:
        if (self.application, self.bandwidth, self.latency, self.loss) == (None, None, None, None):
            raise Refused(
                "nothing is required",
                "write application: voip, video, gaming, bulk or backup, or bandwidth, latency or loss",
            )
        return self


class Class(NamedTuple):
    """A service class: how its packets are marked and served."""

    dscp: str
    name: str
    source: str
    qos_priority: int


class Flow(NamedTuple):
    """Packets that belong to an application."""

    protocol: str
    port: str
    what: str
    source: str


class Needs(NamedTuple):
    """Of an application: figures with their source, service class, flows, usual bytes of a frame."""

    bandwidth: str
    latency: str | None
    loss: str | None
    source: str
    service: Class
    flows: tuple[Flow, ...] = ()
    frame: int = 1514
    background: bool = False


TELEPHONY: Final = Class("ef", "telephony", "RFC 4594 section 4.1", 9)
CONFERENCING: Final = Class("af41", "multimedia conferencing", "RFC 4594 section 4.3", 8)
INTERACTIVE: Final = Class("cs4", "real-time interactive", "RFC 4594 section 4.4", 8)
THROUGHPUT: Final = Class("af11", "high-throughput data", "RFC 4594 section 4.8", 3)
LOWER_EFFORT: Final = Class("le", "lower effort: yields to all else", "RFC 8622", 1)
STANDARD: Final = Class("cs0", "standard", "RFC 4594 section 4.9", 5)

RTP: Final = Flow("udp", "16384-32767", "RTP, as most telephones choose", "RFC 3550 leaves ports open")
STUN: Final = Flow("udp", "3478-3481", "STUN and TURN", "IANA")
RSYNC: Final = Flow("tcp", "873", "rsync", "IANA")

APPLICATIONS: Final[dict[Application, Needs]] = {
    "voip": Needs(
        "100kbit",
        "150ms",
        "1%",
        "G.711 with headers; ITU-T G.114; 3GPP TS 23.501 5QI 1",
        TELEPHONY,
        (
            Flow("udp", "5060-5061", "SIP", "IANA"),
            Flow("tcp", "5060-5061", "SIP", "IANA"),
            RTP,
            STUN,
        ),
        frame=214,
    ),
    "video": Needs(
        "4mbit",
        "150ms",
        "0.1%",
        "a call of 1080p; 3GPP TS 23.501 5QI 2",
        CONFERENCING,
        (RTP, STUN, Flow("udp", "8801-8810", "Zoom", "its maker")),
        frame=1200,
    ),
    "gaming": Needs(
        "1mbit",
        "50ms",
        "0.1%",
        "3GPP TS 23.501 5QI 3",
        INTERACTIVE,
        (Flow("udp", "27000-27100", "Steam", "its maker"), Flow("udp", "3074", "Xbox", "IANA")),
        frame=300,
    ),
    "bulk": Needs(
        "10mbit",
        None,
        None,
        "a rate to begin with",
        THROUGHPUT,
        (Flow("tcp", "20-21", "FTP", "IANA"), RSYNC, Flow("tcp", "445", "SMB", "IANA")),
    ),
    "backup": Needs(
        "10mbit",
        None,
        None,
        "a rate to begin with",
        LOWER_EFFORT,
        (RSYNC, Flow("tcp", "9101-9103", "Bacula", "IANA")),
        background=True,
    ),
}
BY_NUMBERS: Final = Needs("1kbit", None, None, "", STANDARD)
URGENT: Final = Needs("1kbit", None, None, "", INTERACTIVE, frame=300)
URGENT_NS: Final = 200 * 10**6
"""Who needs no more than this, one way, is served before others."""


def needs_of(wanted: Requirement) -> Needs:
    """With the numbers of the requirement in place of the application's."""
    urgent = wanted.latency is not None and wanted.latency <= URGENT_NS
    found = APPLICATIONS[wanted.application] if wanted.application else URGENT if urgent else BY_NUMBERS
    said = {
        key: str(value)
        for key in ("bandwidth", "latency", "loss")
        if (value := getattr(wanted, key)) is not None
    }
    return found._replace(**said)  # type: ignore[arg-type]


def default_name(wanted: Requirement, workload: str) -> str:
    """`voip-for-web`, of characters that a persona's name may have."""
    text = f"{wanted.application or 'needs'}-for-{workload.lower()}"
    return re.sub(r"[^a-z0-9]+", "-", text)[:63].strip("-")
