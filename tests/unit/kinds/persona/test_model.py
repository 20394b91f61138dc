import pytest

from netpersona.kinds.persona import InvalidDocument, from_mapping, to_mapping

VOIP = {
    "persona_id": "voip-on-3g",
    "description": "Voice over a good 3G link",
    "qos_priority": 9,
    "dscp": "ef",
    "security_profile": "standard",
    "mtu": 1400,
    "egress": {
        "latency": "100ms",
        "jitter": "10ms",
        "distribution": "normal",
        "loss": "1%",
        "bandwidth": "420kbit",
    },
    "ingress": {"latency": "90ms", "bandwidth": "850kbit"},
    "filtering_rules": [{"protocol": "tcp", "port": 25, "action": "drop"}],
    "queue_configuration": [
        {"queue_id": 0, "priority": 7, "filtering_rules": [{"protocol": "udp", "port": "5060-5061"}]},
    ],
}


def with_(**changes: object) -> dict[str, object]:
    return {**VOIP, **changes}


def problems(document: dict[str, object]) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as refused:
        from_mapping(document)
    return {problem.pointer: f"{problem.message}; {problem.remedy}" for problem in refused.value.problems}


def test_a_document_is_what_its_canonical_mapping_says() -> None:
    assert to_mapping(from_mapping(VOIP)) == VOIP


def test_a_persona_is_immutable() -> None:
    persona = from_mapping(VOIP)
    with pytest.raises(ValueError, match="frozen"):
        persona.mtu = 9000  # type: ignore[misc] # the refusal is what is tested


def test_equal_documents_are_equal_and_hash_alike() -> None:
    assert from_mapping(VOIP) == from_mapping(dict(reversed(VOIP.items())))
    assert hash(from_mapping(VOIP)) == hash(from_mapping(VOIP))
    assert from_mapping(VOIP) != from_mapping(with_(mtu=1401))


def test_defaults_change_nothing_about_a_packet_and_are_left_out() -> None:
    assert to_mapping(from_mapping({"persona_id": "plain"})) == {"persona_id": "plain"}


@pytest.mark.parametrize(
    ("changes", "pointer", "says"),
    [
        ({"persona_id": "Über VoIP"}, "/persona_id", "ber-voip"),
        ({"persona_id": "a" * 64}, "/persona_id", "up to 63"),
        ({"qos_priority": 0}, "/qos_priority", "1 or more"),
        ({"qos_priority": 11}, "/qos_priority", "10 or less"),
        ({"qos_priority": "high"}, "/qos_priority", "a whole number"),
        ({"qos_priority": True}, "/qos_priority", "a whole number"),
        ({"dscp": "af44"}, "/dscp", "af11 to af43"),
        ({"dscp": 64}, "/dscp", "0 to 63"),
        ({"mtu": 67}, "/mtu", "68 or more"),
        ({"mtu": 65536}, "/mtu", "65535 or less"),
        ({"security_profile": "closed"}, "/security_profile", "restricted, standard or open"),
        (
            {"security_profile": {"name": "web", "incomming": []}},
            "/security_profile/incomming",
            "did you mean incoming?",
        ),
        ({"routing_profile": "dynamic"}, "/routing_profile", "not there yet"),
        ({"seed": -1}, "/seed", "0 or more"),
        ({"egress": {"bandwith": "1mbit"}}, "/egress/bandwith", "did you mean bandwidth?"),
        ({"egress": {"loss": 5}}, "/egress/loss", "write 5%"),
        (
            {"egress": {"loss": {"probability": 0.1, "correlaton": 0.2}}},
            "/egress/loss/correlaton",
            "correlation?",
        ),
        ({"egress": {"loss": {"model": "gilbert"}}}, "/egress/loss", "gilbert_elliott"),
        ({"egress": {"loss": {"model": "gilbert_elliott", "p": 0.1}}}, "/egress/loss/r", "add r"),
        (
            {"egress": {"loss": {"model": "four_state", "p13": 0.9, "p31": 1, "p14": 0.2}}},
            "/egress/loss/p14",
            "add up to 1",
        ),
        ({"egress": {"latency": "5ms", "jitter": "6ms"}}, "/egress/jitter", "5ms or less"),
        (
            {"egress": {"latency": "10ms", "jitter": "10ms", "distribution": "normal"}},
            "/egress/jitter",
            "9.9ms or less",
        ),
        ({"egress": {"latency": "10ms", "distribution": "normal"}}, "/egress/distribution", "add jitter"),
        ({"egress": {"latency": "10ms", "correlation": 0.5}}, "/egress/correlation", "add jitter"),
        ({"egress": {"table": ["1ms", "2ms"]}}, "/egress/table", "give both"),
        ({"egress": {"distribution": "table"}}, "/egress/distribution", "give both"),
        (
            {"egress": {"latency": "1ms", "distribution": "table", "table": ["1ms", "2ms"]}},
            "/egress/latency",
            "remove latency",
        ),
        ({"egress": {"reorder": "1%"}}, "/egress/reorder", "add latency"),
        ({"egress": {"latency": "1ms", "reorder": "1%", "order": "keep"}}, "/egress/order", "remove order"),
        ({"egress": {"burst": "3kB"}}, "/egress/burst", "add bandwidth"),
        ({"egress": {"bandwidth": "1mbit", "burst": 100}}, "/egress/burst", "1414B or more"),
        ({"filtering_rules": [{"protocol": "gre", "port": 1}]}, "/filtering_rules/0/protocol", "1 to 255"),
        ({"filtering_rules": [{"protocol": "icmp", "port": 1}]}, "/filtering_rules/0/port", "remove port"),
        ({"filtering_rules": [{"protocol": "tcp", "port": "9-8"}]}, "/filtering_rules/0/port", "write 8-9"),
        ({"filtering_rules": [{"source": "10.1.2.3/8"}]}, "/filtering_rules/0/source", "write 10.0.0.0/8"),
        (
            {"filtering_rules": [{"source": "10.0.0.0/8", "destination": "::/0"}]},
            "/filtering_rules/0/destination",
            "one rule for IPv4",
        ),
        ({"queue_configuration": [{"queue_id": 16}]}, "/queue_configuration/0/queue_id", "15 or less"),
        (
            {"queue_configuration": [{"queue_id": 0}, {"queue_id": 0}]},
            "/queue_configuration/1/queue_id",
            "write a free one, as 1",
        ),
    ],
)
def test_what_cannot_be_is_refused_at_its_place_with_the_remedy(
    changes: dict[str, object], pointer: str, says: str
) -> None:
    found = problems(with_(**changes))
    assert list(found) == [pointer]
    assert says in found[pointer]


def test_every_problem_is_reported_at_once() -> None:
    assert set(problems(with_(mtu=1, qos_priority=77, egress={"loss": 9, "x": 1}))) == {
        "/mtu",
        "/qos_priority",
        "/egress/loss",
        "/egress/x",
    }


def test_129_rules_are_too_many_wherever_they_are() -> None:
    rules = [{"protocol": "tcp", "port": port} for port in range(1, 66)]
    queues = [{"queue_id": 0, "filtering_rules": rules[:63]}]
    assert from_mapping({"persona_id": "full", "filtering_rules": rules, "queue_configuration": queues})
    queues[0]["filtering_rules"] = rules[:64]
    found = problems({"persona_id": "over", "filtering_rules": rules, "queue_configuration": queues})
    assert "129 filtering rules" in found["/queue_configuration"]


def test_reorder_lets_packets_overtake() -> None:
    persona = from_mapping({"persona_id": "r", "egress": {"latency": "1ms", "reorder": "1%"}})
    assert persona.egress.order_free
    assert not persona.ingress.order_free
