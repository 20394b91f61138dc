from __future__ import annotations

from typing import Any

import pytest

from netpersona.control.http.flat import flat_camel, flat_snake
from netpersona.kinds.persona import from_mapping

SNAKE: dict[str, Any] = {
    "persona_id": "p",
    "description": "",
    "qos_priority": 9,
    "security_profile": "standard",
    "simulated_latency_ms": 12.5,
    "packet_loss_probability": 0.3,
    "bandwidth_limit_kbps": 850,
}
CAMEL: dict[str, Any] = {
    "personalityId": "p",
    "description": "x",
    "latencyMs": 100,
    "jitterMs": 10,
    "packetLossPercentage": 0.1,
    "duplicatePacketPercentage": 0.05,
    "bandwidthKbps": 0,
    "routingProfile": "Static",
    "mtu": 1400,
}


def test_what_came_in_flat_goes_out_the_same() -> None:
    assert flat_snake(from_mapping(SNAKE)) == SNAKE
    assert flat_camel(from_mapping(CAMEL)) == CAMEL


def test_both_directions_add_up_to_a_round_trip() -> None:
    link = {"latency": "10ms", "loss": "50%", "bandwidth": "1mbit"}
    flat = flat_snake(from_mapping({"persona_id": "p", "egress": link, "ingress": link}))
    assert flat["simulated_latency_ms"] == 20
    assert flat["packet_loss_probability"] == 0.75
    assert flat["bandwidth_limit_kbps"] == 1000


@pytest.mark.parametrize(
    ("ingress", "key"),
    [
        ({"bandwidth": "1mbit"}, "bandwidthKbps"),
        ({"loss": {"model": "gilbert_elliott", "p": "1%", "r": "10%"}}, "packetLossPercentage"),
        ({"distribution": "table", "table": ["1ms", "2ms"]}, "latencyMs"),
    ],
)
def test_what_the_spelling_cannot_say_is_null(ingress: dict[str, Any], key: str) -> None:
    assert flat_camel(from_mapping({"persona_id": "p", "ingress": ingress}))[key] is None
