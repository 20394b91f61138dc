"""Rules that can never match are told; those that can are not."""

from typing import Any

import pytest

from netpersona.kinds.persona import from_mapping
from netpersona.kinds.persona.reach import unreachable

Rule = dict[str, Any]


def said(*rules: Rule, **document: Any) -> list[str]:
    return list(unreachable(from_mapping({"persona_id": "r", "filtering_rules": list(rules), **document})))


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ({}, {"protocol": "tcp", "port": 22}),
        ({"protocol": "tcp"}, {"protocol": "tcp"}),
        ({"protocol": "any", "port": 53}, {"protocol": "udp", "port": 53}),
        ({"protocol": "tcp", "port": "1-1024"}, {"protocol": "tcp", "port": "20-22", "action": "drop"}),
        ({"protocol": "icmp"}, {"protocol": "icmpv6"}),
        ({"protocol": "icmpv6"}, {"protocol": "icmp", "source": "2001:db8::/32"}),
        ({"source": "10.0.0.0/8"}, {"source": "10.1.0.0/16", "direction": "egress"}),
        ({"destination": "::/0"}, {"destination": "2001:db8::1", "source_port": 5, "protocol": "udp"}),
    ],
)
def test_a_rule_behind_one_that_matches_all_of_it_is_told(first: Rule, later: Rule) -> None:
    assert said(first, later) == [
        "filtering_rules/1 never matches: filtering_rules/0 comes first and matches all of it"
    ]


@pytest.mark.parametrize(
    ("first", "later"),
    [
        ({"protocol": "tcp", "port": 22}, {}),
        ({"protocol": "tcp"}, {"protocol": "udp"}),
        ({"protocol": "any", "port": 53}, {"protocol": "icmp"}),
        ({"protocol": "tcp", "port": "20-22"}, {"protocol": "tcp", "port": "22-23"}),
        ({"protocol": "icmpv6"}, {"protocol": "icmp"}),
        ({"protocol": "icmpv6"}, {"protocol": "icmp", "source": "10.0.0.0/8"}),
        ({"direction": "egress"}, {"direction": "both"}),
        ({"source": "10.0.0.0/8"}, {"source": "2001:db8::/32"}),
        ({"source": "10.0.0.0/8"}, {"destination": "10.0.0.0/8"}),
        ({"source_port": 1, "protocol": "udp"}, {"port": 1, "protocol": "udp"}),
    ],
)
def test_a_rule_that_something_reaches_is_not(first: Rule, later: Rule) -> None:
    assert said(first, later) == []


def test_rules_of_queues_come_behind_those_of_the_document() -> None:
    queue = {"queue_id": 3, "filtering_rules": [{"protocol": "udp"}]}
    assert said({}, queue_configuration=[queue], egress={"bandwidth": "1mbit"}) == [
        "queue_configuration/0/filtering_rules/0 never matches: filtering_rules/0 comes first"
        " and matches all of it"
    ]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"protocol": "tcp", "port": 8080, "direction": "ingress"}, True),
        ({"protocol": "udp", "direction": "ingress"}, True),
        ({"protocol": "tcp", "port": "80-90", "direction": "ingress", "action": "drop"}, False),
        ({"direction": "ingress", "source": "10.0.0.0/8"}, False),
        ({"protocol": "tcp", "port": 8080}, False),
    ],
)
def test_a_flow_that_the_profile_refuses_reaches_no_rule(rule: Rule, told: bool) -> None:
    found = said(rule, security_profile="standard")
    assert found == (
        ["filtering_rules/0 never matches: the security profile standard lets no such flow in"] * told
    )
