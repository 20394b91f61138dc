from netpersona.kinds.persona import explain, from_mapping


def steps(direction: str, **document: object) -> list[str]:
    explanation = explain(from_mapping({"persona_id": "p", **document}))
    return [f"{step.half}: {step.text}" for step in getattr(explanation, direction)]


def test_a_direction_without_conditions_stays_in_the_kernel() -> None:
    assert steps("egress")[-1] == "policy: goes straight on at kernel speed: this direction has no conditions"
    assert all(step.startswith("policy: ") for step in steps("egress", ingress={"latency": "1ms"}))


def test_conditions_are_told_in_the_order_they_act() -> None:
    said = " | ".join(
        steps(
            "ingress",
            ingress={
                "latency": "90ms",
                "jitter": "9ms",
                "loss": "1%",
                "duplicate": "2%",
                "bandwidth": "850kbit",
            },
        )
    )
    order = ["profile open", "priority 3", "1% of packets are lost", "2% of packets are sent twice"]
    order += [
        "at most 100 packets wait",
        "850kbit",
        "90ms on average, half width 9ms, uniform",
        "keep their order",
    ]
    places = [said.index(part) for part in order]
    assert places == sorted(places)


def test_rules_are_told_in_the_directions_they_match() -> None:
    rules = [{"protocol": "udp", "port": 53, "direction": "egress", "action": "drop"}]
    assert "policy: a udp flow to port 53 is dropped" in steps("egress", filtering_rules=rules)
    assert not any("udp" in step for step in steps("ingress", filtering_rules=rules))


def test_profiles_queues_and_models_are_told() -> None:
    queue = {"queue_id": 2, "priority": 7, "filtering_rules": [{"source": "10.0.0.0/8"}]}
    said = "\n".join(
        steps(
            "ingress",
            security_profile="standard",
            default_action="drop",
            mtu=1400,
            dscp="ef",
            engine_failure="closed",
            queue_configuration=[queue],
            ingress={
                "loss": {"model": "gilbert_elliott", "p": "1%", "r": "50%"},
                "bandwidth": "1mbit",
                "latency": "1ms",
                "reorder": "3%",
            },
        )
    )
    for part in (
        "standard lets in tcp port 22, tcp port 80, tcp port 443",
        "from 10.0.0.0/8 passes and goes into queue 2",
        "any other flow that others opened is dropped",
        "above 1400 bytes",
        "DSCP is set to 46",
        "goes bad with 1% and good again with 50%",
        "3% of packets are sent at once, past the delay line",
        "may overtake",
        "is dropped while the engine is dead",
    ):
        assert part in said


def test_what_flat_keys_became_and_warnings_end_the_text() -> None:
    text = str(explain(from_mapping({"name": "p", "latencyMs": 50, "bandwidthKbps": 0, "mtu": 1000})))
    assert "latencyMs: 50 became ingress.latency: 50ms, once per round trip" in text
    assert "bandwidthKbps: 0 became unlimited" in text
    assert "below 1280" in text.split("warnings:")[1]


def test_a_seed_is_named_only_where_chance_has_a_say() -> None:
    def switching(**link: object) -> tuple[str, ...]:
        return explain(from_mapping({"persona_id": "p", "egress": link})).switching

    assert not [line for line in switching(latency="10ms", bandwidth="1mbit") if "seed" in line]
    assert [line for line in switching(latency="10ms", jitter="1ms") if "seed" in line]
