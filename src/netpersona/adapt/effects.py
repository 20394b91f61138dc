"""What a persona does to the quantities that an objective weighs, read off its document."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from netpersona.kinds.measured import Direction
from netpersona.kinds.persona.conditions import Link
from netpersona.kinds.persona.losses import loss_share
from netpersona.kinds.persona.model import Persona


@dataclass(frozen=True, slots=True)
class Effects:
    """`bandwidth` of a direction without a limit is None."""

    latency_ms: float = 0.0
    """Both directions together: what it adds to a round trip."""
    loss: float = 0.0
    """The larger one of both directions."""
    egress_bit_s: float | None = None
    ingress_bit_s: float | None = None

    def limit_bit_s(self, direction: Direction) -> float | None:
        return self.egress_bit_s if direction == "egress" else self.ingress_bit_s


NOTHING = Effects()


def effects_of(persona: Persona) -> Effects:
    links = persona.egress, persona.ingress
    return Effects(
        latency_ms=sum(map(_latency_ms, links)),
        loss=max(loss_share(link.loss).value for link in links),
        egress_bit_s=_rate(persona.egress),
        ingress_bit_s=_rate(persona.ingress),
    )


def _latency_ms(link: Link) -> float:
    return (fmean(link.table) if link.table else link.latency) / 1e6


def _rate(link: Link) -> float | None:
    return float(link.bandwidth) if link.bandwidth is not None else None
