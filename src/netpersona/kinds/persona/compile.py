"""From a persona to the bytes of a slot: struct np_policy and struct np_conditions of bpf/layout.h."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from netpersona.kinds.hardware.asked import NOTHING_ASKED, Hardware
from netpersona.kinds.persona import layout
from netpersona.kinds.persona.asks import asks_of
from netpersona.kinds.persona.conditions import Chance, FourState, GilbertElliott, Link
from netpersona.kinds.persona.delays import compile_delay
from netpersona.kinds.persona.limits import burst_of, delay_limit_of, queue_length_of
from netpersona.kinds.persona.model import Persona
from netpersona.kinds.persona.profiles import openings
from netpersona.kinds.persona.rules import PROTOCOLS, Network, Opening, Ports, Rule
from netpersona.kinds.persona.warnings import warnings_of

_IN_FLIGHT = {"keep": layout.IN_FLIGHT_KEEP, "drain": layout.IN_FLIGHT_DRAIN, "flush": layout.IN_FLIGHT_FLUSH}
_DIRECTIONS = {
    "egress": layout.MATCH_EGRESS,
    "ingress": layout.MATCH_INGRESS,
    "both": layout.MATCH_EGRESS | layout.MATCH_INGRESS,
}


@dataclass(frozen=True, slots=True)
class CompiledPersona:
    """The two halves of a slot, ready to be copied into the maps."""

    policy: bytes
    conditions: bytes
    digest: str
    """SHA-256 (hex) of both halves: equal digests, equal behaviour."""
    warnings: tuple[str, ...]
    hardware: Hardware = NOTHING_ASKED
    """What it asks of the interface itself, beside the slot."""


def compile_persona(persona: Persona) -> CompiledPersona:
    """Compile a persona. Pure, and never fails for a valid one."""
    policy, conditions = bytes(_policy(persona)), bytes(_conditions(persona))
    digest = hashlib.sha256(policy + conditions).hexdigest()
    return CompiledPersona(policy, conditions, digest, warnings_of(persona), asks_of(persona))


def skb_priority(qos_priority: int) -> int:
    """Kernel packet priority 0..7 of a QoS priority 1..10, evenly spread."""
    return (2 * (qos_priority - 1) * 7 + 9) // 18


def _policy(persona: Persona) -> layout.Policy:
    policy = layout.Policy(
        flags=_flags(persona),
        default_action=layout.DROP if persona.default_action == "drop" else layout.FORWARD,
        mtu=persona.mtu or 0,
        skb_priority=skb_priority(persona.qos_priority),
        dscp=layout.NO_DSCP if persona.dscp is None else persona.dscp,
        queue_count=len(persona.queue_configuration),
        rule_count=len(persona.rules),
        profile_count=len(openings(persona.security_profile) or ()),
    )
    for queue_id in range(layout.MAX_QUEUES):
        policy.queue_priority[queue_id] = 255
    for queue in persona.queue_configuration:
        policy.queue_priority[queue.queue_id] = queue.priority
    compiled = [_rule(rule, queue_id) for rule, queue_id in persona.rules]
    compiled += [_opening(opening) for opening in openings(persona.security_profile) or ()]
    for index, rule in enumerate(compiled):
        policy.rules[index] = rule
    return policy


def _flags(persona: Persona) -> int:
    profile = openings(persona.security_profile) is not None
    filtered = profile or bool(persona.rules) or persona.default_action == "drop"
    wanted = {
        layout.POLICY_CONDITIONS_EGRESS: persona.egress.acts,
        layout.POLICY_CONDITIONS_INGRESS: persona.ingress.acts,
        layout.POLICY_FAIL_CLOSED: persona.engine_failure == "closed",
        layout.POLICY_KEEP_FLOWS: persona.established_flows == "keep",
        layout.POLICY_PROFILE: profile,
        layout.POLICY_TRACK: filtered,
    }
    return sum(flag for flag, holds in wanted.items() if holds)


def _rule(rule: Rule, queue_id: int | None) -> layout.Rule:
    compiled = _match(rule.protocol, rule.source, rule.destination)
    compiled.direction = _DIRECTIONS[rule.direction]
    compiled.action = layout.DROP if rule.action == "drop" else layout.FORWARD
    compiled.queue = layout.QUEUE_DEFAULT if queue_id is None else queue_id
    compiled.port_low, compiled.port_high = _ports(rule.port)
    compiled.source_port_low, compiled.source_port_high = _ports(rule.source_port)
    return compiled


def _opening(opening: Opening) -> layout.Rule:
    compiled = _match(opening.protocol, opening.source, None)
    compiled.direction = layout.MATCH_INGRESS
    compiled.queue = layout.QUEUE_DEFAULT
    compiled.port_low, compiled.port_high = _ports(opening.port)
    compiled.source_port_low, compiled.source_port_high = _ports(None)
    return compiled


def _match(protocol: str, source: Network | None, destination: Network | None) -> layout.Rule:
    compiled = layout.Rule(protocol=PROTOCOLS.get(protocol) or int(protocol if protocol.isdigit() else 0))
    for name, prefix in (("source", source), ("destination", destination)):
        if prefix is not None:
            compiled.family = prefix.version
            setattr(compiled, f"{name}_prefix", prefix.prefixlen)
            packed = prefix.network_address.packed.ljust(16, b"\0")
            setattr(compiled, f"{name}_be", type(compiled.source_be).from_buffer_copy(packed))
    if protocol == "icmp" and compiled.family == 6:
        compiled.protocol = PROTOCOLS["icmpv6"]
    return compiled


def _ports(ports: Ports | None) -> tuple[int, int]:
    return (0, 65535) if ports is None else (ports.low, ports.high)


def _conditions(persona: Persona) -> layout.Conditions:
    conditions = layout.Conditions(
        seed=persona.seed, in_flight=_IN_FLIGHT[persona.in_flight], mtu=persona.mtu or 0
    )
    for queue in persona.queue_configuration:
        target = conditions.queue[queue.queue_id]
        target.length = queue.queue_length or default_queue_length(persona)
        target.priority = queue.priority
    conditions.link[layout.EGRESS] = _link(persona, persona.egress)
    conditions.link[layout.INGRESS] = _link(persona, persona.ingress)
    return conditions


def default_queue_length(persona: Persona) -> int:
    """Length of a queue that does not say its own: it serves both directions, so the longer one counts."""
    return max(queue_length_of(persona, persona.egress), queue_length_of(persona, persona.ingress))


def _link(persona: Persona, link: Link) -> layout.Link:
    flags = (layout.LINK_ORDER_FREE if link.order_free else 0) | (layout.LINK_ACTIVE if link.acts else 0)
    return layout.Link(
        flags=flags,
        default_queue_length=queue_length_of(persona, link),
        rate_bps=link.bandwidth or 0,
        burst_bytes=burst_of(link, persona.mtu),
        delay_limit=delay_limit_of(link),
        duplicate=_chance(link.duplicate),
        corrupt=_chance(link.corrupt),
        reorder=_chance(link.reorder),
        loss=_loss(link.loss),
        delay=compile_delay(link),
    )


def _chance(chance: Chance | None) -> layout.Chance:
    if chance is None:
        return layout.Chance()
    return layout.Chance(probability=chance.probability, correlation=chance.correlation)


def _loss(loss: Chance | GilbertElliott | FourState | None) -> layout.Loss:
    if loss is None or not loss.acts:
        return layout.Loss(model=layout.LOSS_NONE)
    p: tuple[float, ...]
    if isinstance(loss, GilbertElliott):
        model, p = layout.LOSS_GILBERT_ELLIOTT, (loss.p, loss.r, loss.loss_good, loss.loss_bad)
    elif isinstance(loss, FourState):
        model, p = layout.LOSS_FOUR_STATE, (loss.p13, loss.p31, loss.p32, loss.p23, loss.p14)
    else:
        model, p = layout.LOSS_BERNOULLI, (loss.probability, loss.correlation)
    compiled = layout.Loss(model=model)
    compiled.p[: len(p)] = p
    return compiled
