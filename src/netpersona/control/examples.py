"""A body for each call that takes one, for OpenAPI and the reference page; a test sends them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_PERSONA: Final = {
    "egress": {"latency": "50ms"},
    "ingress": {"latency": "50ms", "jitter": "5ms", "loss": "1%"},
}
_PLACE: Final = {"kind": "netns", "netns": "web", "interface": "eth0"}
_STATUS: Final = {"phase": "attached", "applied_sequence": 7, "proof": "seen"}
_SNAKE: Final = {"simulated_latency_ms": 20, "packet_loss_probability": 0.01, "bandwidth_limit_kbps": 10000}
_CAMEL: Final = {"latencyMs": 20, "jitterMs": 2, "packetLossPercentage": 0.01, "bandwidthKbps": 10000}

EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "POST /v1/personas": {"persona_id": "slow", **_PERSONA},
    "PUT /v1/personas/{persona_id}": {**_PERSONA, "mtu": 1400},
    "POST /v1/workloads": {"workload_id": "web", **_PLACE},
    "PUT /v1/workloads/{workload_id}": {**_PLACE, "facing": "workload"},
    "PUT /v1/workloads/{workload_id}/status": _STATUS,
    "PUT /v1/workloads/{workload_id}/persona": {"persona_id": "slow", "ttl": "60s", "fallback": "starlink"},
    "POST /v1/workloads/{workload_id}/verifications": {"probes": 200, "interval": "10ms"},
    "PUT /v1/workloads/{workload_id}/verifications/{verification_id}": {"state": "done", "rows": []},
    "PUT /v1/hosts/{host}": {"version": "1.0"},
    "PUT /v1/hosts/{host}/statuses": {"statuses": {"web": _STATUS}},
    "POST /personas/create": {"persona_id": "older", **_SNAKE},
    "PUT /personas/update/{persona_id}": _SNAKE,
    "POST /v1/personalities": {"personalityId": "oldest", **_CAMEL},
    "PUT /v1/personalities/{personalityId}": _CAMEL,
}

NAMES: Final[Mapping[str, str]] = {
    "persona_id": "slow",
    "personalityId": "slow",
    "workload_id": "web",
    "verification_id": "v000000000007",
    "host": "local",
}
"""For the parts of paths."""
