"""A persona in words: what happens to a packet, in order, and which half does it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from netpersona.kinds.hardware import Hardware, effect
from netpersona.kinds.persona.asks import asks_of
from netpersona.kinds.persona.compile import default_queue_length, skb_priority
from netpersona.kinds.persona.conditions import Chance, FourState, GilbertElliott, Link, Loss
from netpersona.kinds.persona.delays import correlation_reach
from netpersona.kinds.persona.limits import burst_of, delay_limit_of, queue_length_of
from netpersona.kinds.persona.model import Persona
from netpersona.kinds.persona.profiles import openings, profile_name
from netpersona.kinds.persona.rules import Opening, Rule
from netpersona.kinds.persona.warnings import denser, warnings_of
from netpersona.kinds.shown import printable
from netpersona.kinds.units import Duration

Half = Literal["policy", "conditions"]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens to a packet. policy: in the kernel; conditions: in the packet engine."""

    half: Half
    text: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """`str()` gives it as text."""

    persona_id: str
    description: str
    egress: tuple[Step, ...]
    ingress: tuple[Step, ...]
    switching: tuple[str, ...]
    interface: tuple[str, ...]
    origin: tuple[str, ...]
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join(_text(self))


def explain(persona: Persona) -> Explanation:
    """Say what a persona does."""
    return Explanation(
        persona.persona_id,
        persona.description,
        tuple(_steps(persona, persona.egress, "egress")),
        tuple(_steps(persona, persona.ingress, "ingress")),
        tuple(_switching(persona)),
        tuple(_interface(asks_of(persona))),
        persona.origin,
        warnings_of(persona),
    )


def _text(explanation: Explanation) -> Iterator[str]:
    description = printable(" ".join(explanation.description.split()))
    yield f"{explanation.persona_id}: {description}" if description else explanation.persona_id
    for title, steps in (
        ("what the workload sends (egress)", explanation.egress),
        ("what the workload receives (ingress)", explanation.ingress),
    ):
        yield f"\n{title}:"
        yield from (f"  {i}. {_WHERE[step.half]} {step.text}" for i, step in enumerate(steps, 1))
    for title, lines in (
        ("when it is switched on", explanation.switching),
        ("what it sets on the interface itself, where that has it", explanation.interface),
        ("read from a flat spelling", explanation.origin),
        ("warnings", explanation.warnings),
    ):
        if lines:
            yield f"\n{title}:"
            yield from (f"  - {line}" for line in lines)


_WHERE = {"policy": "kernel:", "conditions": "engine:"}


def _steps(persona: Persona, link: Link, direction: Literal["egress", "ingress"]) -> Iterator[Step]:
    yield from (Step("policy", text) for text in _policy(persona, direction))
    if not link.acts:
        yield Step("policy", "goes straight on at kernel speed: this direction has no conditions")
        return
    yield from (Step("conditions", text) for text in _conditions(persona, link))
    outcome = "passes without conditions" if persona.engine_failure == "open" else "is dropped"
    yield Step("policy", f"{outcome} while the engine is dead (engine_failure: {persona.engine_failure})")


def _policy(persona: Persona, direction: Literal["egress", "ingress"]) -> Iterator[str]:
    if direction == "ingress":
        yield _profile(persona)
    tried = [rule for rule, _ in persona.rules if rule.direction in (direction, "both")]
    opener = "the workload" if direction == "egress" else "others"
    for rule, queue in persona.rules:
        if rule in tried:
            yield _rule(rule, queue)
    otherwise = "any other flow" if tried else "every flow"
    verb = "passes" if persona.default_action == "forward" else "is dropped"
    yield f"{otherwise} that {opener} opened {verb} (default_action); replies follow their flow"
    if persona.mtu is not None:
        yield f"above {persona.mtu} bytes it is fragmented (IPv4 without DF) or answered with ICMP too big"
    dscp = "left as it is" if persona.dscp is None else f"set to {persona.dscp}"
    yield f"gets priority {skb_priority(persona.qos_priority)} of 0 to 7; DSCP is {dscp}"


def _profile(persona: Persona) -> str:
    let_in = openings(persona.security_profile)
    name = profile_name(persona.security_profile)
    if let_in is None:
        return f"the security profile {name} lets every flow in"
    listed = ", ".join(_opening(opening) for opening in let_in) or "nothing"
    return f"the security profile {name} lets in {listed}, replies, ARP, NDP and DHCP, and drops the rest"


def _opening(opening: Opening) -> str:
    port = f" port {opening.port}" if opening.port else ""
    source = f" from {opening.source}" if opening.source else ""
    return f"{opening.protocol}{port}{source}"


def _rule(rule: Rule, queue: int | None) -> str:
    parts = [f"a {rule.protocol} flow" if rule.protocol != "any" else "a flow"]
    for word, value in (
        ("from", rule.source),
        ("from port", rule.source_port),
        ("to", rule.destination),
        ("to port", rule.port),
    ):
        parts += [f"{word} {value}"] if value is not None else []
    if rule.action == "drop":
        return " ".join([*parts, "is dropped"])
    return " ".join([*parts, "passes" if queue is None else f"passes and goes into queue {queue}"])


def _conditions(persona: Persona, link: Link) -> Iterator[str]:
    yield "decides per MTU-sized segment, also within a GSO packet"
    if link.loss is not None and link.loss.acts:
        yield _loss(link.loss)
    for chance, done in ((link.duplicate, "sent twice"), (link.corrupt, "sent with one bit flipped")):
        if chance is not None and chance.acts:
            yield _share(chance, done)
    if link.bandwidth is not None:
        yield from _rate(persona, link)
    if link.delays:
        yield from _delay(link)


def _share(chance: Chance, done: str) -> str:
    related = f", each decision related to the last by {chance.correlation}" if chance.correlation else ""
    return f"{chance.probability} of packets are {done}{related}"


def _loss(loss: Loss) -> str:
    if isinstance(loss, GilbertElliott):
        return (
            f"loses {loss.loss_good} in a good and {loss.loss_bad} in a bad state;"
            f" goes bad with {loss.p} and good again with {loss.r} per packet"
        )
    if isinstance(loss, FourState):
        return (
            f"loses packets by four states: p13 {loss.p13}, p31 {loss.p31}, p32 {loss.p32},"
            f" p23 {loss.p23}, p14 {loss.p14}"
        )
    return _share(loss, "lost")


def _rate(persona: Persona, link: Link) -> Iterator[str]:
    for queue in sorted(persona.queue_configuration, key=lambda queue: -queue.priority):
        length = queue.queue_length or default_queue_length(persona)
        yield f"queue {queue.queue_id} holds {length:,} packets at priority {queue.priority}; 7 goes first"
    other = "other packets" if persona.queue_configuration else "packets"
    yield f"at most {queue_length_of(persona, link):,} {other} wait for the rate; more are dropped"
    yield f"sends {link.bandwidth} a second (Ethernet frames), {burst_of(link, persona.mtu)} bytes at once"


def _delay(link: Link) -> Iterator[str]:
    if link.table is not None:
        low, high = min(link.table), max(link.table)
        yield f"is delayed as measured: {len(link.table)} delays from {low} to {high}"
    elif link.jitter:
        spread = "half width" if link.distribution == "uniform" else "standard deviation"
        yield f"is delayed by {link.latency} on average, {spread} {link.jitter}, {link.distribution}"
    else:
        yield f"is delayed by {link.latency}"
    yield from _correlation(link)
    if link.reorder is not None:
        yield _share(link.reorder, "sent at once, past the delay line")
    order = "may overtake one another" if link.order_free else "keep their order"
    yield f"packets {order}; the delay line holds {delay_limit_of(link):,} packets"


def _correlation(link: Link) -> Iterator[str]:
    reach = correlation_reach(link)
    if reach is not None:
        yield (
            f"delays of packets {_rounded(reach)} or more apart are correlated by {link.correlation};"
            f" of closer ones by more, as order is kept: ten times as dense by {denser(link, reach)}"
        )
    elif link.correlation:
        yield f"successive delays are correlated by {link.correlation}"


def _rounded(time_ns: int) -> Duration:
    """To three digits: more of them say nothing."""
    return Duration(float(f"{time_ns:.3g}"))


def _switching(persona: Persona) -> Iterator[str]:
    yield {
        "keep": "packets under way keep their departure times (in_flight: keep)",
        "drain": "packets under way are sent at once (in_flight: drain)",
        "flush": "packets under way are dropped (in_flight: flush)",
    }[persona.in_flight]
    if openings(persona.security_profile) is not None or persona.rules or persona.default_action == "drop":
        yield {
            "cut": "flows that it does not allow are cut (established_flows: cut)",
            "keep": "flows let in before stay (established_flows: keep)",
        }[persona.established_flows]
    if _draws(persona.egress) or _draws(persona.ingress):
        yield f"random decisions follow seed {persona.seed or 'picked by the engine, and reported'}"


def _interface(hardware: Hardware) -> Iterator[str]:
    """By a rule of thumb: what a change does depends on the driver."""
    for ask in hardware.asks:
        key = ask.key.replace("offloads/", "features/", 1)
        value = {True: "on", False: "off"}[ask.value] if isinstance(ask.value, bool) else ask.value
        done = {"live": "no packet notices", "reinit": "its queues start anew", "flap": "its link goes down"}
        yield f"{ask.key.replace('/', ' ')}: {value} ({done[effect('', key).label]}, as a rule)"
    queues = sorted({steered.queue for steered in hardware.steering if steered.steer})
    if queues:
        listed = ", ".join(map(str, queues))
        yield f"flows of queue {listed} go into that hardware queue, if the NIC steers (n-tuple rules)"


def _draws(link: Link) -> bool:
    """True where chance has a say."""
    chances = (link.loss, link.duplicate, link.corrupt, link.reorder)
    return bool(link.jitter or link.table) or any(chance is not None and chance.acts for chance in chances)
