from typing import Any

import pytest

from netpersona.agent.verify.openings import NOBODY, Question, ask, compare_openings
from netpersona.datapath import Opened
from netpersona.kinds.persona import from_mapping


def asked(**document: Any) -> list[Question]:
    return ask(from_mapping({"persona_id": "p", **document}))


def outline(questions: list[Question]) -> list[tuple[str, str, str]]:
    return [(q.direction, q.statement, q.expected.reason if q.packet else NOBODY) for q in questions]


def test_an_open_persona_lets_any_flow_pass() -> None:
    assert outline(asked()) == [
        ("egress", "default: any flow", "passed"),
        ("ingress", "default: any flow", "passed"),
    ]


def test_each_statement_of_a_profile_is_asked() -> None:
    assert outline(asked(security_profile="standard")) == [
        ("ingress", "profile standard, 1: tcp to port 22", "passed"),
        ("ingress", "profile standard, 2: tcp to port 80", "passed"),
        ("ingress", "profile standard, 3: tcp to port 443", "passed"),
        ("ingress", "profile standard: anything else", "dropped_profile"),
        ("egress", "default: any flow", "passed"),
        ("ingress", "default: any flow", "passed"),
    ]


def test_each_rule_is_asked_in_the_directions_that_it_speaks_of() -> None:
    rules = [{"protocol": "tcp", "port": "25", "action": "drop"}, {"protocol": "udp", "direction": "egress"}]
    assert outline(asked(filtering_rules=rules, default_action="drop")) == [
        ("egress", "rule 1: tcp to port 25", "dropped_rule"),
        ("ingress", "rule 1: tcp to port 25", "dropped_rule"),
        ("egress", "rule 2: udp", "passed"),
        ("egress", "default: any other flow", "dropped_default"),
        ("ingress", "default: any other flow", "dropped_default"),
    ]


def test_a_queue_is_part_of_what_is_expected() -> None:
    queue = {"queue_id": 3, "filtering_rules": [{"protocol": "udp", "port": "5060-5061"}]}
    questions = asked(queue_configuration=[queue], egress={"bandwidth": "1mbit"})
    assert questions[0].expected == Opened("passed", 3)


SHADOWED = [{"source": "10.0.0.0/8"}, {"source": "10.1.0.0/16", "action": "drop"}]


def test_a_rule_that_one_before_it_covers_is_told_as_never_deciding() -> None:
    questions = asked(filtering_rules=SHADOWED)
    assert [q.packet is None for q in questions if q.statement.startswith("rule 2")] == [True, True]
    rows = list(compare_openings(questions, [q.expected if q.packet else None for q in questions]))
    assert {row.verdict for row in rows if row.achieved == NOBODY} == {None}


@pytest.mark.parametrize(
    "rules",
    [
        SHADOWED[::-1],
        [{"port": "1-1000", "protocol": "tcp", "action": "drop"}, {"port": "900-1001", "protocol": "tcp"}],
        [{"protocol": "icmp"}, {"protocol": "icmpv6", "direction": "egress"}, {"protocol": 47}],
        [{"destination": "2001:db8::/64", "source_port": 53, "protocol": "udp"}],
        [{"port": "68", "source_port": "67", "protocol": "udp"}, {"port": "68", "protocol": "udp"}],
    ],
)
def test_a_flow_is_found_between_the_edges_of_others(rules: list[dict[str, Any]]) -> None:
    for question in asked(filtering_rules=rules):
        hopeless = question.statement in ("rule 1: udp to port 68 from port 67", "rule 2: icmpv6")
        assert (question.packet is None) == hopeless, question.statement


def test_a_rule_behind_a_profile_that_lets_nothing_in_never_decides() -> None:
    profile = {"name": "none", "incoming": []}
    questions = asked(security_profile=profile, filtering_rules=[{"protocol": "tcp", "direction": "ingress"}])
    assert questions[1].packet is None


def test_what_the_kernel_says_otherwise_is_a_no() -> None:
    questions = asked(security_profile="restricted")
    wrong = [Opened("passed", None)] * len(questions)
    verdicts = {row.quantity: row.verdict for row in compare_openings(questions, wrong)}
    assert verdicts["profile restricted: anything else"] == "no"
    assert verdicts["profile restricted, 1: tcp to port 22"] == "yes"
    silent = list(compare_openings(questions, [None] * len(questions)))
    assert {row.verdict for row in silent} == {"no"}
    assert silent[0].achieved == "not seen at all"
