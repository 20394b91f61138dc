from typing import Any

import pytest

from netpersona.kinds.persona import InvalidDocument, Probability, from_mapping, to_mapping
from netpersona.kinds.persona.conditions import Chance

CANONICAL = {
    "persona_id": "p",
    "egress": {"bandwidth": "850kbit"},
    "ingress": {"latency": "50ms", "loss": "1%", "bandwidth": "850kbit"},
}
SNAKE = {
    "persona_id": "p",
    "simulated_latency_ms": 50,
    "packet_loss_probability": 0.01,
    "bandwidth_limit_kbps": 850,
}
CAMEL = {"personalityId": "p", "latencyMs": 50, "packetLossPercentage": 0.01, "bandwidthKbps": 850}


def problems(document: dict[str, object], **options: Any) -> dict[str, str]:
    with pytest.raises(InvalidDocument) as refused:
        from_mapping(document, **options)
    return {problem.pointer: f"{problem.message}; {problem.remedy}" for problem in refused.value.problems}


@pytest.mark.parametrize("flat", [SNAKE, CAMEL])
def test_flat_spellings_mean_the_same_persona(flat: dict[str, object]) -> None:
    assert from_mapping(flat) == from_mapping(CANONICAL)


def test_the_camel_spelling_has_jitter_duplication_mtu_and_routing() -> None:
    flat = CAMEL | {"jitterMs": 5, "duplicatePacketPercentage": 0.02, "mtu": 1400, "routingProfile": "Static"}
    assert to_mapping(from_mapping(flat)) == {
        "persona_id": "p",
        "mtu": 1400,
        "egress": {"bandwidth": "850kbit"},
        "ingress": {
            "latency": "50ms",
            "jitter": "5ms",
            "loss": "1%",
            "duplicate": "2%",
            "bandwidth": "850kbit",
        },
    }


def test_the_snake_spelling_has_priority_and_security_profile() -> None:
    persona = from_mapping(SNAKE | {"qos_priority": 9, "security_profile": "restricted"})
    assert (persona.qos_priority, persona.security_profile) == (9, "restricted")


def test_zero_bandwidth_is_unlimited() -> None:
    persona = from_mapping(CAMEL | {"bandwidthKbps": 0})
    assert (persona.egress.bandwidth, persona.ingress.bandwidth) == (None, None)


def test_a_packet_loss_percentage_is_a_fraction() -> None:
    loss = from_mapping(CAMEL | {"packetLossPercentage": 1.0}).ingress.loss
    assert isinstance(loss, Chance)
    assert loss.probability == Probability(1)
    found = problems(CAMEL | {"packetLossPercentage": 5})
    assert "1 % is 0.01" in found["/packetLossPercentage"]


@pytest.mark.parametrize(
    ("changes", "pointer", "says"),
    [
        ({"simulated_latency_ms": 501}, "/simulated_latency_ms", "from 0 to 500"),
        ({"simulated_latency_ms": "50ms"}, "/simulated_latency_ms", "without a unit"),
        ({"packet_loss_probability": "1%"}, "/packet_loss_probability", "0.01"),
        ({"bandwidth_limit_kbps": -1}, "/bandwidth_limit_kbps", "0 is unlimited"),
        ({"bandwidth_limit_kbps": float("nan")}, "/bandwidth_limit_kbps", "0 is unlimited"),
        ({"bandwidth_limit_kpbs": 5}, "/bandwidth_limit_kpbs", "did you mean bandwidth_limit_kbps?"),
    ],
)
def test_a_flat_value_out_of_range_is_refused_by_its_flat_key(
    changes: dict[str, object], pointer: str, says: str
) -> None:
    found = problems(SNAKE | changes)
    assert list(found) == [pointer]
    assert says in found[pointer]


def test_what_the_model_refuses_is_reported_by_the_flat_key_too() -> None:
    assert "50ms or less" in problems(CAMEL | {"jitterMs": 60})["/jitterMs"]
    assert "not there yet" in problems(CAMEL | {"routingProfile": "Chaotic"})["/routingProfile"]
    assert list(problems(CAMEL | {"personalityId": "No Good"})) == ["/personalityId"]


@pytest.mark.parametrize(
    "mixed",
    [SNAKE | {"egress": {}}, SNAKE | {"latencyMs": 1}, CAMEL | {"qos_priority": 3}, CAMEL | {"ingress": {}}],
)
def test_two_spellings_in_one_document_are_refused(mixed: dict[str, object]) -> None:
    (said,) = problems(mixed).values()
    assert "keep to one" in said
    assert "ingress.latency" in said


@pytest.mark.parametrize("key", ["persona_id", "personaId", "personality_id", "personalityId", "name"])
def test_the_id_has_the_names_that_people_give_it(key: str) -> None:
    assert from_mapping({key: "web"}).persona_id == "web"


def test_two_ids_are_refused() -> None:
    assert "/name" in problems({"persona_id": "a", "name": "b"})


def test_the_caller_may_name_a_document_that_does_not_name_itself() -> None:
    assert from_mapping({"latencyMs": 5}, default_id="given").persona_id == "given"
    assert from_mapping({"name": "own"}, default_id="given").persona_id == "own"
    assert "add persona_id" in problems({"latencyMs": 5})["/persona_id"]


def test_a_persona_remembers_what_its_flat_keys_became_without_being_different_for_it() -> None:
    persona = from_mapping(CAMEL)
    assert persona.origin[0] == (
        "latencyMs: 50 became ingress.latency: 50ms, once per round trip, on what the workload receives"
    )
    assert persona == from_mapping(to_mapping(persona))
    assert from_mapping(to_mapping(persona)).origin == ()


@pytest.mark.parametrize("number", [10**5000, -(10**5000)], ids=["huge", "hugely negative"])
@pytest.mark.parametrize("key", ["mtu", "seed", "latencyMs", "bandwidthKbps", "packetLossPercentage"])
def test_a_number_too_long_to_print_is_refused_like_any_other(key: str, number: int) -> None:
    document = {"persona_id": "p", key: number}
    assert "a number of more than 20 digits" in problems(document)["/" + key]
