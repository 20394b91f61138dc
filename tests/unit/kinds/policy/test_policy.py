"""Policies: the grammar of conditions, what is refused and where, and what is warned of."""

from __future__ import annotations

from typing import Any

import pytest

from netpersona.kinds.errors import InvalidDocument, Refused
from netpersona.kinds.measured import Measured
from netpersona.kinds.policy.kind import POLICY
from netpersona.kinds.policy.when import parse

SEEN = Measured.model_validate(
    {
        "interval_s": 2.0,
        "egress": {"loss": 0.03, "throughput_bit_s": 4e6, "packets_s": 400, "jitter_ms": 3,
                   "rtt": {"min_ms": 20, "median_ms": 30, "p95_ms": 50}, "queue_depth_packets": 12,
                   "dropped_packets": {"queue full": 30, "loss": 10}},
        "ingress": {"loss": 0.01, "throughput_bit_s": 1e6, "rtt": {"min_ms": 1, "median_ms": 2, "p95_ms": 3}},
    }
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("loss > 2%", True),
        ("loss > 0.02", True),
        ("loss >= 3%", True),
        ("loss > 3%", False),
        ("ingress.loss > 2%", False),
        ("rtt > 31ms", True),
        ("rtt_min < 22ms and rtt_p95 >= 53ms", True),
        ("egress.rtt < 31 ms", True),
        ("throughput > 4.5mbit", True),
        ("egress.throughput>4.5mbit", False),
        ("packets > 0.3kpps", True),
        ("drops >= 20pps", True),
        ("queue_depth > 10", True),
        ("jitter < 1ms", False),
        ("ingress.jitter > 1ms", None),
        ("ingress.jitter > 1ms and loss > 50%", False),
    ],
)
def test_a_condition_is_held_against_what_was_measured(text: str, holds: bool | None) -> None:
    assert parse(text).holds(SEEN) is holds


def test_hysteresis_moves_the_threshold_to_where_it_is_harder_to_leave() -> None:
    assert parse("loss > 3.2%").holds(SEEN) is False
    assert parse("loss > 3.2%").holds(SEEN, 0.1) is True
    assert parse("loss < 2.9%").holds(SEEN, 0.1) is True


def test_a_condition_has_a_duration_once() -> None:
    found = parse("loss > 2% and rtt > 80ms for 1.5 s")
    assert found.for_s == 1.5
    assert str(found) == "loss > 2% and rtt > 80ms for 1.5s"


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("los > 2%", "at character 1: `los` is no metric", "write loss"),
        ("latency > 2ms", "at character 1: `latency` is no metric", "write rtt"),
        ("loss = 2%", "at character 6: `=` is no comparison", "hardly ever equal"),
        ("loss > 2mbit", "at character 8: '2mbit' is not a probability", "percentage"),
        ("loss > 2% for 3", "at character 15: 3 has no unit", "3.5s|1.5s"),
        ("loss > 2% or rtt > 3ms", "at character 11: `or` does not belong here", "a rule for each"),
        ("loss > 2% for 3s and rtt > 3ms", "at character 18: `and`", "once, at the end"),
        ("loss >", "at character 7: the end is no quantity of loss", "as in 2%"),
        ("up.loss > 3%", "at character 1: `up.loss` has no direction", "egress.loss or ingress.loss"),
        ("loss > 2% for", "at character 14: the end is no duration", "`for 3s`"),
        ("packets > 20", "at character 11: '20' is not a packet rate", "20kpps"),
        ("", "at character 1: the end is no metric", "write one of"),
    ],
)
def test_a_wrong_condition_says_where_and_what_to_write(text: str, message: str, remedy: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(text)
    assert refused.value.message.startswith(message)
    assert any(part in refused.value.remedy for part in remedy.split("|"))


RULE = {"when": "loss > 2%", "persona": "a"}


def refused(**keys: Any) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as error:
        POLICY.read({"policy_id": "test", **keys})
    return {problem.pointer: f"{problem.message}; {problem.remedy}" for problem in error.value.problems}


@pytest.mark.parametrize(
    ("keys", "pointer", "said"),
    [
        ({}, "", "decides nothing"),
        ({"rules": [{"when": "los > 2%", "persona": "a"}]}, "/rules/0/when", "write loss"),
        ({"rules": [RULE], "candidates": ["b"]}, "/rules/0/persona", "a is not among the candidates"),
        ({"rules": [RULE], "candidates": ["a"], "default": "c"}, "/default", "c is not among"),
        ({"rules": [RULE], "guard": {"metric": "rt"}}, "/guard/metric", "'rt' is no metric"),
        ({"rules": [RULE], "guard": {}}, "/guard", "without an objective there is no score"),
        ({"objective": {"loss": {}}, "candidates": ["a"]}, "/candidates", "nothing to choose from"),
        ({"objective": {}, "candidates": ["a", "b"]}, "/objective", "everything equally good"),
        (
            {"rules": [RULE], "guard": {"metric": "rtt"}, "max_switches": {"count": 1}},
            "/max_switches/count",
            "write 2 or more",
        ),
        ({"rules": [RULE], "stale_after": 0}, "/stale_after", "older than 0s"),
        ({"rules": [{"when": "loss > 2%", "persona": "A B"}]}, "/rules/0/persona", "lower-case"),
        ({"rules": [{"when": "loss > 2%"}]}, "/rules/0", "either persona: NAME or write: voip"),
        ({"rules": [{**RULE, "write": "voip"}]}, "/rules/0", "and not both"),
        ({"rules": [RULE], "colour": 1}, "/colour", "no such key"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(keys: dict[str, Any], pointer: str, said: str) -> None:
    found = refused(**keys)
    assert said in found[pointer if pointer in found else next(iter(found))]
    assert pointer in found


@pytest.mark.parametrize(
    ("rules", "warning"),
    [
        (["loss > 5% and loss < 2%"], "rule 1 can never match: loss > 5% and loss < 2% exclude each other"),
        (["loss > 100%"], "rule 1 can never match: nothing is loss > 100%"),
        (["rtt < 0"], "rule 1 can never match: nothing is rtt < 0"),
        (["loss > 2%", "loss > 5% for 3s"], "rule 2 is never come to: rule 1 (loss > 2%) holds whenever"),
        (["loss > 2%", "loss > 2% and rtt > 9ms"], "rule 2 is never come to"),
        (["rtt < 9ms", "rtt <= 8ms"], "rule 2 is never come to"),
    ],
)
def test_rules_that_never_decide_are_warned_of(rules: list[str], warning: str) -> None:
    _, spec = POLICY.read({"policy_id": "test", "rules": [{"when": when, "persona": "a"} for when in rules]})
    assert any(said.startswith(warning) for said in POLICY.check(spec))


@pytest.mark.parametrize(
    "rules",
    [
        ["loss > 5%", "loss > 2%"],
        ["loss > 2% for 9s", "loss > 5%"],
        ["loss > 2% and rtt > 9ms", "loss > 2%"],
        ["egress.loss > 2%", "loss > 5%"],
        ["loss >= 2% and loss <= 2%"],
    ],
)
def test_rules_that_may_decide_are_not(rules: list[str]) -> None:
    _, spec = POLICY.read({"policy_id": "test", "rules": [{"when": when, "persona": "a"} for when in rules]})
    assert not POLICY.check(spec)


def test_it_refers_to_stored_personas_and_not_to_presets() -> None:
    _, spec = POLICY.read(
        {"policy_id": "test", "rules": [{"when": "loss > 2%", "persona": "mine"}], "default": "atc-3g-good"}
    )
    assert [(ref.kind, ref.name, ref.must_exist) for ref in POLICY.references(spec)] == [
        ("personas", "mine", True)
    ]


def test_with_an_objective_there_is_a_guard_unless_another_is_named() -> None:
    _, spec = POLICY.read(
        {"policy_id": "test", "objective": {"latency": {"target": "50ms"}}, "candidates": ["a", "b"]}
    )
    assert spec.guard is None
    assert spec.effective_guard is not None
    assert spec.effective_guard.metric == "score"
