"""A body for each call that takes one, for OpenAPI and the reference page; a test sends them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from netpersona.kinds.kind import Kind
from netpersona.kinds.registry import KINDS

_STATUS: Final = {"phase": "attached", "applied_sequence": 7, "proof": "seen"}
_MEASURED: Final = {"interval_s": 1.0, "egress": {"throughput_bit_s": 5e6, "loss": 0.02, "loss_packets": 400}}
_SNAKE: Final = {"simulated_latency_ms": 20, "packet_loss_probability": 0.01, "bandwidth_limit_kbps": 10000}
_CAMEL: Final = {"latencyMs": 20, "jitterMs": 2, "packetLossPercentage": 0.01, "bandwidthKbps": 10000}

ACTIONS: Final[Mapping[str, Any]] = {
    "PUT /v1/workloads/{workload_id}/status": _STATUS,
    "PUT /v1/workloads/{workload_id}/persona": {"persona_id": "slow", "ttl": "60s", "fallback": "starlink"},
    "PUT /v1/workloads/{workload_id}/adaptation": {"policy_id": "keep-calls-clear", "advise": True},
    "POST /v1/workloads/{workload_id}/requirement": {"application": "voip", "bandwidth": "200kbit"},
    "PUT /v1/adaptation": {"enabled": True},
    "PUT /v1/interfaces/{workload_id}/persona": {"persona_id": "slow"},
    "POST /v1/workloads/{workload_id}/plan": {"persona_id": "slow"},
    "POST /v1/workloads/{workload_id}/verifications": {"probes": 200, "interval": "10ms"},
    "PUT /v1/workloads/{workload_id}/verifications/{verification_id}": {"state": "done", "rows": []},
    "PUT /v1/hosts/{host}": {"version": "1.0"},
    "PUT /v1/hosts/{host}/statuses": {"statuses": {"web": _STATUS}},
    "PUT /v1/hosts/{host}/measured": {"workloads": {"web": {"samples": [_MEASURED]}}},
    "POST /personas/create": {"persona_id": "older", **_SNAKE},
    "PUT /personas/update/{persona_id}": _SNAKE,
    "POST /v1/personalities": {"personalityId": "oldest", **_CAMEL},
    "PUT /v1/personalities/{personalityId}": _CAMEL,
}
"""Of calls that no kind's declaration makes."""

NAMES: Final[Mapping[str, str]] = {
    **{kind.id_key: str(kind.example[kind.id_key]) for kind in KINDS},
    "personalityId": "slow",
    "verification_id": "v00064a4f2a3b1c5d0e7",
}
"""For the parts of paths."""


def examples_of(kinds: Sequence[Kind[Any, Any]]) -> dict[str, Any]:
    """Method and path → body: first what makes the things that the others speak of."""
    found: dict[str, Any] = {}
    for kind in (kind for kind in kinds if "create" in kind.verbs):
        unnamed = {key: value for key, value in kind.example.items() if key != kind.id_key}
        found[f"POST /v1/{kind.plural}"] = kind.example
        found[f"PUT /v1/{kind.plural}/{{{kind.id_key}}}"] = unnamed
    return found | dict(ACTIONS)
