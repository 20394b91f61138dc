import ctypes
from itertools import pairwise
from typing import Any

import pytest

from netpersona.kinds.persona import compile_persona, from_mapping, layout
from netpersona.kinds.persona.compile import skb_priority


def compiled(**document: object) -> tuple[layout.Policy, layout.Conditions]:
    made = compile_persona(from_mapping({"persona_id": "p", **document}))
    policy, conditions = layout.Policy(), layout.Conditions()
    assert len(made.policy) == ctypes.sizeof(policy)
    assert len(made.conditions) == ctypes.sizeof(conditions)
    ctypes.memmove(ctypes.addressof(policy), made.policy, len(made.policy))
    ctypes.memmove(ctypes.addressof(conditions), made.conditions, len(made.conditions))
    return policy, conditions


def flags(**document: object) -> int:
    return int(compiled(**document)[0].flags)


def test_a_persona_without_conditions_never_leaves_the_kernel() -> None:
    queue = {"queue_id": 1, "priority": 7, "filtering_rules": [{"protocol": "udp"}]}
    policy, conditions = compiled(mtu=1400, qos_priority=9, queue_configuration=[queue], egress={"loss": 0})
    through_engine = layout.POLICY_CONDITIONS_EGRESS | layout.POLICY_CONDITIONS_INGRESS
    assert policy.flags & through_engine == 0
    assert [link.flags & layout.LINK_ACTIVE for link in conditions.link] == [0, 0]


@pytest.mark.parametrize(
    "link",
    [
        {"latency": "1ms"},
        {"loss": "1%"},
        {"duplicate": "1%"},
        {"corrupt": "1%"},
        {"bandwidth": "1mbit"},
        {"loss": {"model": "four_state", "p13": 0.1, "p31": 0.5}},
        {"distribution": "table", "table": ["0s", "1ms"]},
    ],
)
def test_any_condition_sends_its_direction_through_the_engine_and_no_other(link: dict[str, Any]) -> None:
    policy, conditions = compiled(ingress=link)
    assert policy.flags == layout.POLICY_CONDITIONS_INGRESS
    assert [link.flags & layout.LINK_ACTIVE for link in conditions.link] == [0, layout.LINK_ACTIVE]


def test_flags_say_what_the_document_says() -> None:
    assert flags(egress={"latency": "1ms"}, engine_failure="closed") == (
        layout.POLICY_CONDITIONS_EGRESS | layout.POLICY_FAIL_CLOSED
    )
    assert flags(established_flows="keep") == layout.POLICY_KEEP_FLOWS
    assert flags(security_profile="restricted") == layout.POLICY_PROFILE | layout.POLICY_TRACK
    assert flags(default_action="drop") == layout.POLICY_TRACK
    assert flags(filtering_rules=[{"action": "drop", "protocol": "tcp"}]) == layout.POLICY_TRACK


def test_the_ten_priorities_spread_over_the_kernels_eight() -> None:
    assert [skb_priority(qos) for qos in range(1, 11)] == [0, 1, 2, 2, 3, 4, 5, 5, 6, 7]


def test_mtu_dscp_and_priority_are_in_the_policy_half() -> None:
    policy, conditions = compiled(mtu=1400, dscp="ef", qos_priority=10)
    assert (policy.mtu, policy.dscp, policy.skb_priority, conditions.mtu) == (1400, 46, 7, 1400)
    policy, _ = compiled()
    assert (policy.mtu, policy.dscp, policy.default_action) == (0, layout.NO_DSCP, layout.FORWARD)


@pytest.mark.parametrize(
    ("profile", "ports"),
    [
        ("restricted", [22]),
        ("standard", [22, 80, 443]),
        ("open", []),
        ({"name": "sealed"}, []),
        ({"name": "dns", "incoming": [{"protocol": "udp", "port": 53}]}, [53]),
    ],
)
def test_profile_rules_follow_the_filtering_rules(profile: str | dict[str, Any], ports: list[int]) -> None:
    policy, _ = compiled(
        security_profile=profile, filtering_rules=[{"protocol": "tcp", "port": 25, "action": "drop"}]
    )
    assert (policy.rule_count, policy.profile_count) == (1, len(ports))
    allowed = policy.rules[1 : 1 + len(ports)]
    assert [rule.port_low for rule in allowed] == [rule.port_high for rule in allowed] == ports
    assert {rule.direction for rule in allowed} <= {layout.MATCH_INGRESS}
    assert {rule.family for rule in allowed} <= {0}
    assert bool(policy.flags & layout.POLICY_PROFILE) == (profile != "open")


def test_a_rule_says_what_it_matches() -> None:
    rule = {
        "protocol": "udp",
        "port": "5060-5061",
        "source_port": 4000,
        "source": "10.1.0.0/16",
        "destination": "192.0.2.7",
        "direction": "egress",
        "action": "drop",
    }
    compiled_rule = compiled(filtering_rules=[rule])[0].rules[0]
    assert (compiled_rule.protocol, compiled_rule.family) == (17, 4)
    assert (compiled_rule.direction, compiled_rule.action) == (layout.MATCH_EGRESS, layout.DROP)
    assert (compiled_rule.port_low, compiled_rule.port_high) == (5060, 5061)
    assert (compiled_rule.source_port_low, compiled_rule.source_port_high) == (4000, 4000)
    assert (compiled_rule.source_prefix, compiled_rule.destination_prefix) == (16, 32)
    assert bytes(compiled_rule.source_be) == bytes([10, 1]) + bytes(14)
    assert bytes(compiled_rule.destination_be) == bytes([192, 0, 2, 7]) + bytes(12)
    assert compiled_rule.queue == layout.QUEUE_DEFAULT


def test_an_ipv6_prefix_fills_all_four_words() -> None:
    rule = compiled(filtering_rules=[{"source": "2001:db8::/32"}])[0].rules[0]
    assert (rule.family, rule.source_prefix) == (6, 32)
    assert bytes(rule.source_be) == bytes.fromhex("20010db8") + bytes(12)


@pytest.mark.parametrize(
    ("rule", "number", "family"),
    [
        ({"protocol": "icmp"}, 1, 0),
        ({"protocol": "icmp", "source": "10.0.0.0/8"}, 1, 4),
        ({"protocol": "icmp", "source": "::/0"}, 58, 6),
        ({"protocol": "icmpv6"}, 58, 0),
        ({"protocol": 47}, 47, 0),
        ({}, 0, 0),
    ],
)
def test_protocols_have_their_numbers(rule: dict[str, Any], number: int, family: int) -> None:
    compiled_rule = compiled(filtering_rules=[rule])[0].rules[0]
    assert (compiled_rule.protocol, compiled_rule.family) == (number, family)
    assert (compiled_rule.port_low, compiled_rule.port_high) == (0, 65535)


def test_queues_have_their_rules_behind_those_without_a_queue() -> None:
    queues = [
        {"queue_id": 3, "priority": 7, "queue_length": 5, "filtering_rules": [{"protocol": "udp"}]},
        {"queue_id": 1, "filtering_rules": [{"protocol": "icmp"}]},
    ]
    policy, conditions = compiled(
        queue_configuration=queues, filtering_rules=[{"protocol": "tcp"}], egress={"bandwidth": "100mbit"}
    )
    assert [rule.queue for rule in policy.rules[:3]] == [layout.QUEUE_DEFAULT, 3, 1]
    assert policy.queue_count == 2
    assert list(policy.queue_priority[:5]) == [255, 0, 255, 7, 255]
    assert [(queue.length, queue.priority) for queue in conditions.queue[:4]] == [
        (0, 0),
        (10_000, 0),
        (0, 0),
        (5, 7),
    ]


def test_a_constant_delay_needs_no_table() -> None:
    delay = compiled(egress={"latency": "100ms"})[1].link[layout.EGRESS].delay
    assert (delay.constant_ns, delay.points) == (100_000_000, 0)
    same = compiled(egress={"distribution": "table", "table": ["3ms", "3ms"]})[1].link[layout.EGRESS].delay
    assert (same.constant_ns, same.points) == (3_000_000, 0)


@pytest.mark.parametrize("distribution", ["uniform", "normal", "pareto", "paretonormal"])
def test_a_delay_table_spans_the_distribution_strictly_ascending(distribution: str) -> None:
    link = {"latency": "20ms", "jitter": "18ms", "distribution": distribution}
    delay = compiled(egress=link)[1].link[layout.EGRESS].delay
    points = [(point.p, point.x) for point in delay.table[: delay.points]]
    assert points[0] == (0, 0)
    assert points[-1] == (2**32 - 1, 2**32 - 1)
    assert all(p < q and x < y for (p, x), (q, y) in pairwise(points))
    mean, second = integrate(delay, points)
    assert mean == pytest.approx(20e6, rel=1e-6)
    spread = 18e6 / 3**0.5 if distribution == "uniform" else 18e6
    assert (second - mean**2) ** 0.5 == pytest.approx(spread, rel=1e-6)


def integrate(delay: layout.Delay, points: list[tuple[int, int]]) -> tuple[float, float]:
    """First two moments of what the engine draws from a table."""
    mean = second = 0.0
    for (p, x), (q, y) in pairwise(points):
        width = (q - p) / 2**32
        a, b = (delay.base_ns + delay.span_ns * part / 2**32 for part in (x, y))
        mean += width * (a + b) / 2
        second += width * (a * a + a * b + b * b) / 3
    return mean, second


def test_delays_that_repeat_still_ascend() -> None:
    link = {"distribution": "table", "table": ["1ms", "1ms", "1ms", "2ms", "2ms"]}
    delay = compiled(egress=link)[1].link[layout.EGRESS].delay
    assert [point.x for point in delay.table[: delay.points]] == [0, 1, 2, 2**32 - 2, 2**32 - 1]


def test_correlation_is_a_coherence_with_order_kept_and_a_coefficient_without() -> None:
    link = {"latency": "20ms", "jitter": "5ms", "distribution": "normal", "correlation": 0.5}
    kept = compiled(egress=link)[1].link[layout.EGRESS]
    free = compiled(egress=link | {"order": "free"})[1].link[layout.EGRESS]
    assert (kept.flags & layout.LINK_ORDER_FREE, kept.delay.correlation) == (0, 0)
    assert 0 < kept.delay.coherence_ns < 20_000_000
    assert (free.flags & layout.LINK_ORDER_FREE, free.delay.coherence_ns) == (layout.LINK_ORDER_FREE, 0)
    assert free.delay.correlation == 0.5


@pytest.mark.parametrize(
    ("loss", "model", "parameters"),
    [
        ("1%", layout.LOSS_BERNOULLI, [0.01, 0, 0, 0, 0, 0]),
        ({"probability": 0.1, "correlation": 0.25}, layout.LOSS_BERNOULLI, [0.1, 0.25, 0, 0, 0, 0]),
        (
            {"model": "gilbert_elliott", "p": 0.1, "r": 0.5},
            layout.LOSS_GILBERT_ELLIOTT,
            [0.1, 0.5, 0, 1, 0, 0],
        ),
        (
            {"model": "four_state", "p13": 0.1, "p31": 0.5, "p32": 0.2, "p23": 0.3, "p14": 0.05},
            layout.LOSS_FOUR_STATE,
            [0.1, 0.5, 0.2, 0.3, 0.05, 0],
        ),
        (0, layout.LOSS_NONE, [0] * 6),
    ],
)
def test_loss_models_have_their_parameters_in_order(
    loss: object, model: int, parameters: list[float]
) -> None:
    compiled_loss = compiled(egress={"loss": loss})[1].link[layout.EGRESS].loss
    assert (compiled_loss.model, list(compiled_loss.p)) == (model, parameters)


@pytest.mark.parametrize(
    ("link", "burst", "queue"),
    [
        ({"bandwidth": "1mbit"}, 3028, 100),
        ({"bandwidth": "100mbit"}, 50_000, 1651),
        ({"bandwidth": "100gbit"}, 50_000_000, 10_000),
        ({"bandwidth": "10gbit", "latency": "60ms"}, 5_000_000, 49_537),
        ({"bandwidth": "400gbit", "latency": "1s"}, 200_000_000, 1_000_000),
        ({"bandwidth": "1mbit", "burst": "15kB", "queue_length": 7}, 15_000, 7),
    ],
)
def test_a_rate_has_a_bucket_and_a_queue_to_match(link: dict[str, Any], burst: int, queue: int) -> None:
    made = compiled(egress=link)[1].link[layout.EGRESS]
    assert (made.burst_bytes, made.default_queue_length) == (burst, queue)


def test_a_queue_holds_the_round_trip_of_both_directions() -> None:
    made = compiled(egress={"bandwidth": "10gbit", "latency": "60ms"}, ingress={"latency": "60ms"})[1]
    assert made.link[layout.EGRESS].default_queue_length == 99_075


def test_a_bucket_holds_two_of_the_largest_frames() -> None:
    assert compiled(mtu=9000, egress={"bandwidth": "1mbit"})[1].link[0].burst_bytes == 2 * 9014


@pytest.mark.parametrize(
    ("link", "limit"),
    [
        ({}, 0),
        ({"latency": "1ms", "bandwidth": "1mbit"}, 1000),
        ({"latency": "100ms", "bandwidth": "1gbit"}, 208_334),
        ({"latency": "10ms"}, 208_334),
        ({"latency": "10s"}, 2**22),
    ],
)
def test_the_delay_line_holds_what_rate_and_delay_call_for(link: dict[str, Any], limit: int) -> None:
    assert compiled(egress=link)[1].link[layout.EGRESS].delay_limit == limit


@pytest.mark.parametrize(("written", "value"), [("keep", 0), ("drain", 1), ("flush", 2)])
def test_seed_and_packets_under_way_are_in_the_conditions_half(written: str, value: int) -> None:
    _, conditions = compiled(in_flight=written, seed=2**64 - 1)
    assert (conditions.in_flight, conditions.seed) == (value, 2**64 - 1)
    assert compiled()[1].seed == 0


def test_equal_behaviour_has_an_equal_digest_whatever_the_name() -> None:
    digests = {
        compile_persona(from_mapping({"persona_id": name, "egress": {"latency": latency}})).digest
        for name, latency in (("a", "1ms"), ("b", "1000us"))
    }
    assert len(digests) == 1
    assert (
        compile_persona(from_mapping({"persona_id": "a", "egress": {"latency": "2ms"}})).digest not in digests
    )


@pytest.mark.parametrize(
    ("document", "warning"),
    [
        ({"mtu": 1000}, "below 1280"),
        ({"queue_configuration": [{"queue_id": 0}]}, "no effect without a bandwidth"),
        ({"ingress": {"loss": 1}}, "ingress loses every packet"),
        ({"ingress": {"latency": "5min"}}, "the delay line of ingress holds 4,194,304 packets"),
        (
            {"egress": {"bandwidth": "400gbit"}, "ingress": {"latency": "100ms"}},
            "the queue of egress holds 1,000,000 packets; 400gbit for the persona's round trip would be 3,30",
        ),
        ({"egress": {"latency": "0.4ns"}}, "latency of egress is less than half a nanosecond and became 0"),
        ({"latencyMs": 0.0000001}, "latency of ingress is less than half a nanosecond and became 0"),
        (
            {"egress": {"distribution": "table", "table": ["0.1ns", "1ms"]}},
            "table of egress is less than half a nanosecond",
        ),
        (
            {"security_profile": {"name": "open", "incoming": [{"protocol": "tcp"}]}},
            "which is not the built-in open",
        ),
        (
            {"ingress": {"latency": "20ms", "jitter": "2ms", "correlation": "25%"}},
            "correlation 25% of ingress holds up to 676 packets a second; order is kept, so denser ones are"
            " correlated more, by 89% at ten times that; order: free has it at any rate",
        ),
    ],
)
def test_what_may_surprise_is_warned_of(document: dict[str, Any], warning: str) -> None:
    warnings = compile_persona(from_mapping({"persona_id": "w", **document})).warnings
    assert any(warning in said for said in warnings)
    assert compile_persona(from_mapping({"persona_id": "w"})).warnings == ()


@pytest.mark.parametrize(
    "document",
    [
        {"egress": {"latency": "0ms"}},
        {"egress": {"latency": "0.5001ns"}},
        {"egress": {"latency": "20ms", "jitter": "2ms", "correlation": "25%", "order": "free"}},
        {"egress": {"latency": "20ms", "jitter": "2ms", "correlation": "25%", "bandwidth": "100kbit"}},
        {"egress": {"latency": "20ms", "bandwidth": "10gbit"}},
        {"security_profile": {"name": "opened"}},
    ],
)
def test_what_does_not_surprise_is_not_warned_of(document: dict[str, Any]) -> None:
    assert compile_persona(from_mapping({"persona_id": "w", **document})).warnings == ()
