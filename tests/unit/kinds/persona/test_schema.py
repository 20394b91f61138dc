from typing import Any

import jsonschema_rs
import pytest

from netpersona.kinds.persona import json_schema, presets, to_mapping

VALIDATOR = jsonschema_rs.Draft202012Validator(json_schema())


def test_the_schema_is_a_schema() -> None:
    assert jsonschema_rs.meta.is_valid(json_schema())


@pytest.mark.parametrize("name", presets())
def test_presets_meet_the_schema(name: str) -> None:
    VALIDATOR.validate(to_mapping(presets()[name]))


@pytest.mark.parametrize(
    "document",
    [
        {
            "personalityId": "a",
            "latencyMs": 50,
            "packetLossPercentage": 0.01,
            "routingProfile": "Static",
            "mtu": 1400,
        },
        {"persona_id": "a", "simulated_latency_ms": 500, "qos_priority": 10, "bandwidth_limit_kbps": 0},
        {"persona_id": "a", "egress": {"loss": 0.01, "duplicate": {"probability": "1%", "correlation": 0.5}}},
        {
            "persona_id": "a",
            "egress": {"loss": {"model": "gilbert_elliott", "p": 0.1, "r": "50%"}, "latency": 0},
        },
        {
            "persona_id": "a",
            "filtering_rules": [{"protocol": 47}, {"protocol": "tcp", "port": "1-5"}],
            "dscp": "ef",
        },
    ],
)
def test_what_loads_meets_the_schema(document: dict[str, Any]) -> None:
    VALIDATOR.validate(document)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"persona_id": "A"},
        {"persona_id": "a", "mtu": 67},
        {"persona_id": "a", "egress": {"latency": 5}},
        {"persona_id": "a", "egress": {"bandwidth": "850kbps"}},
        {"persona_id": "a", "latencyMs": 5, "egress": {}},
        {"persona_id": "a", "simulated_latency_ms": 501},
        {"persona_id": "a", "unknown": 1},
    ],
)
def test_what_does_not_load_does_not_meet_the_schema(document: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(document)
