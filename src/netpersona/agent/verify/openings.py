"""What security profile, filtering rules and default action say, asked of the kernel programs. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

from netpersona.agent.verify.flows import Flow, Statement, flows_of, matches
from netpersona.agent.verify.rows import Row, Verdict
from netpersona.datapath.programs.probes import Opened
from netpersona.kinds.persona import Persona
from netpersona.kinds.persona.profiles import openings, profile_name
from netpersona.kinds.persona.rules import Opening, Rule

UNPROBED = "Not probed: replies and other packets of known flows, fragments, MTU, DSCP, priorities."
NOBODY = "never decides"
"""Of a statement for which no flow was found that one before it does not decide."""
TRIED = 2000

PASSED, BY_RULE, BY_DEFAULT, BY_PROFILE = "passed", "dropped_rule", "dropped_default", "dropped_profile"
_WORDS = {
    PASSED: "passes",
    BY_RULE: "dropped by a rule",
    BY_DEFAULT: "dropped by default",
    BY_PROFILE: "dropped by the profile",
}


@dataclass(frozen=True)
class Question:
    """One statement, and the first packet of a flow that it decides; None: there is no such flow."""

    direction: str
    statement: str
    expected: Opened
    packet: bytes | None


@dataclass(frozen=True)
class Decision:
    """Of a flow: what happens to it, and which filtering rule said so (its index, None: none did)."""

    opened: Opened
    rule: int | None = None


def decide(persona: Persona, flow: Flow) -> Decision:
    """ARCHITECTURE.md, "Order of judgement", 3 and 4."""
    let_in = openings(persona.security_profile)
    if flow.direction == "ingress" and let_in is not None and _none_matches(let_in, flow):
        return Decision(Opened(BY_PROFILE, None))
    for index, (rule, queue) in enumerate(persona.rules):
        if matches(rule, flow):
            drops = rule.action == "drop"
            return Decision(Opened(BY_RULE, None) if drops else Opened(PASSED, queue), index)
    return Decision(Opened(PASSED if persona.default_action == "forward" else BY_DEFAULT, None))


def ask(persona: Persona) -> list[Question]:
    """A question for every statement, in the order in which they are judged."""
    return [*_profile(persona), *_rules(persona), *_default(persona)]


def compare_openings(asked: Sequence[Question], answers: Sequence[Opened | None]) -> Iterator[Row]:
    """A row each; what cannot be probed has no verdict."""
    for question, answer in zip(asked, answers, strict=True):
        wanted = _words(question.expected)
        if question.packet is None:
            yield Row(question.direction, question.statement, wanted, NOBODY, None, None, "", None)
            continue
        found = _words(answer) if answer else "not seen at all"
        verdict: Verdict = "yes" if found == wanted else "no"
        yield Row(question.direction, question.statement, wanted, found, None, None, "", verdict)


def _words(opened: Opened) -> str:
    words = _WORDS.get(opened.reason, opened.reason)
    queued = opened.reason == PASSED and opened.queue is not None
    return f"{words}, queue {opened.queue}" if queued else words


def _profile(persona: Persona) -> Iterator[Question]:
    let_in, name = openings(persona.security_profile), profile_name(persona.security_profile)
    for index, opening in enumerate(let_in or ()):
        others = [other for other in let_in or () if other is not opening]
        alone = _find(persona, opening, "ingress", partial(_none_matches, others))
        flow = alone or _find(persona, opening, "ingress", lambda _: True)
        yield _question(persona, "ingress", f"profile {name}, {index + 1}: {_about(opening)}", flow)
    if let_in is not None:
        flow = _find(persona, None, "ingress", partial(_none_matches, let_in))
        yield _question(persona, "ingress", f"profile {name}: anything else", flow, Opened(BY_PROFILE, None))


def _rules(persona: Persona) -> Iterator[Question]:
    for index, (rule, queue) in enumerate(persona.rules):
        wanted = Opened(BY_RULE, None) if rule.action == "drop" else Opened(PASSED, queue)
        for direction in ("egress", "ingress"):
            if rule.direction in (direction, "both"):
                flow = _find(persona, rule, direction, partial(_is_decided_by, persona, index))
                yield _question(persona, direction, f"rule {index + 1}: {_about(rule)}", flow, wanted)


def _default(persona: Persona) -> Iterator[Question]:
    wanted = Opened(PASSED if persona.default_action == "forward" else BY_DEFAULT, None)
    what = "any other flow" if persona.rules else "any flow"
    for direction in ("egress", "ingress"):
        flow = _find(persona, None, direction, lambda f: decide(persona, f) == Decision(wanted))
        yield _question(persona, direction, f"default: {what}", flow, wanted)


def _none_matches(statements: Sequence[Statement], flow: Flow) -> bool:
    return not any(matches(statement, flow) for statement in statements)


def _is_decided_by(persona: Persona, index: int, flow: Flow) -> bool:
    return decide(persona, flow).rule == index


def _question(
    persona: Persona, direction: str, statement: str, flow: Flow | None, wanted: Opened | None = None
) -> Question:
    if flow is None:
        return Question(direction, statement, wanted or Opened(PASSED, None), None)
    return Question(direction, statement, decide(persona, flow).opened, flow.packet())


def _find(
    persona: Persona, statement: Statement | None, direction: str, fits: Callable[[Flow], bool]
) -> Flow | None:
    others: list[Statement] = [rule for rule, _ in persona.rules]
    others += openings(persona.security_profile) or ()
    flows = islice(flows_of(statement, direction, others), TRIED)
    return next((flow for flow in flows if fits(flow)), None)


def _about(statement: Statement) -> str:
    parts = [statement.protocol if statement.protocol != "any" else "any protocol"]
    if statement.port is not None:
        parts.append(f"to port {statement.port}")
    if statement.source is not None:
        parts.append(f"from {statement.source}")
    if isinstance(statement, Opening):
        return " ".join(parts)
    return " ".join([*parts, *_more(statement)])


def _more(rule: Rule) -> Iterator[str]:
    if rule.source_port is not None:
        yield f"from port {rule.source_port}"
    if rule.destination is not None:
        yield f"to {rule.destination}"
