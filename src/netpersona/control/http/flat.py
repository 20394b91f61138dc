"""A canonical document said again in one of the flat spellings.

Flat values act once per round trip: latency and jitter are the sums of both directions, loss and duplication
the chance that either direction does it. What a flat spelling cannot say (a burst model of loss, a table of
delays, different bandwidths) is null; the resource under /v1/personas has it.
"""

from __future__ import annotations

from typing import Any

from netpersona.kinds.persona import Persona

# The models of single keys are not among the package's public names.
from netpersona.kinds.persona.conditions import Chance, FourState, GilbertElliott

_Loss = Chance | GilbertElliott | FourState | None


def flat_snake(persona: Persona) -> dict[str, Any]:
    egress, ingress = persona.egress, persona.ingress
    return {
        "persona_id": persona.persona_id,
        "description": persona.description,
        "qos_priority": persona.qos_priority,
        "security_profile": persona.model_dump(mode="json")["security_profile"],
        "simulated_latency_ms": _latency_ms(persona),
        "packet_loss_probability": _either(egress.loss, ingress.loss),
        "bandwidth_limit_kbps": _kbps(persona),
    }


def flat_camel(persona: Persona) -> dict[str, Any]:
    egress, ingress = persona.egress, persona.ingress
    return {
        "personalityId": persona.persona_id,
        "description": persona.description,
        "latencyMs": _latency_ms(persona),
        "jitterMs": _ms(int(egress.jitter) + int(ingress.jitter)),
        "packetLossPercentage": _either(egress.loss, ingress.loss),
        "duplicatePacketPercentage": _either(egress.duplicate, ingress.duplicate),
        "bandwidthKbps": _kbps(persona),
        "routingProfile": persona.routing_profile.capitalize(),
        "mtu": persona.mtu,
    }


def _latency_ms(persona: Persona) -> float | None:
    links = (persona.egress, persona.ingress)
    return None if any(link.table for link in links) else _ms(sum(int(link.latency) for link in links))


def _ms(nanoseconds: int) -> float:
    whole, rest = divmod(nanoseconds, 10**6)
    return nanoseconds / 1e6 if rest else whole


def _either(first: _Loss, second: _Loss) -> float | None:
    passed = 1.0
    for chance in (first, second):
        if isinstance(chance, GilbertElliott | FourState):
            return None
        passed *= 1 - float(chance.probability) if chance else 1.0
    alone = [chance for chance in (first, second) if chance]
    # One minus one minus a third is not a third: say a lone probability as it was said.
    return float(alone[0].probability) if len(alone) == 1 else round(1 - passed, 12)  # type: ignore[union-attr]


def _kbps(persona: Persona) -> float | None:
    rates = {link.bandwidth for link in (persona.egress, persona.ingress)}
    if len(rates) > 1:
        return None
    rate = int(rates.pop() or 0)
    return rate / 1000 if rate % 1000 else rate // 1000
