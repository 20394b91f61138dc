"""Personas written for what an application requires."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from pydantic import ValidationError

from netpersona.kinds.measured import Measured
from netpersona.kinds.persona import compile_persona, from_mapping, to_mapping
from netpersona.kinds.requirement import Requirement, default_name, write
from netpersona.kinds.requirement.applications import APPLICATIONS, Application


def measured(rtt: float, rtt_min: float, mbit: float, loss: float = 0.0) -> Measured:
    trips = {"min_ms": rtt_min, "median_ms": rtt, "p95_ms": rtt}
    side = {"rtt": trips, "throughput_bit_s": mbit * 1e6, "loss": loss}
    return Measured.model_validate({"interval_s": 1, "egress": side, "ingress": {"throughput_bit_s": 1e5}})


CALM, QUEUED = measured(20, 20, 2), measured(300, 20, 2)


def wanted(**keys: Any) -> Requirement:
    return Requirement.model_validate(keys)


@pytest.mark.parametrize("application", get_args(Application))
@pytest.mark.parametrize("path", [None, CALM, QUEUED])
def test_what_is_written_is_a_complete_valid_persona(application: str, path: Measured | None) -> None:
    written = write(wanted(application=application), "any", measured=path)
    document = to_mapping(written.persona)
    assert from_mapping(document) == written.persona
    compile_persona(written.persona)
    assert written.persona.description.startswith(f"Written for {application}: ")
    explained = {reason.key.partition("/")[0] for reason in written.reasons}
    assert explained == document.keys() - {"persona_id", "description"}, "every key has its reason"
    assert all(reason.why and reason.source for reason in written.reasons)


def test_every_application_has_its_needs() -> None:
    assert set(APPLICATIONS) == set(get_args(Application))


def test_voip_is_marked_and_served_first() -> None:
    persona = write(wanted(application="voip"), "calls").persona
    assert to_mapping(persona)["dscp"] == "ef"
    assert persona.qos_priority == 9
    queue = persona.queue_configuration[0]
    assert queue.priority == 7
    assert {(rule.protocol, str(rule.port)) for rule in queue.filtering_rules} >= {
        ("udp", "5060-5061"),
        ("udp", "16384-32767"),
    }
    assert persona.egress.bandwidth is None, "nothing is known of the path"


def test_a_bottleneck_with_a_queue_is_shaped_below_its_rate() -> None:
    written = write(wanted(application="voip"), "calls", measured=QUEUED)
    assert written.persona.egress.bandwidth == 1_900_000
    assert written.persona.ingress.bandwidth == 100_000, "never less than what is required"
    length = written.persona.queue_configuration[0].queue_length
    assert length == max(4, round(100_000 * 0.015 / (8 * 214)))
    why = next(reason for reason in written.reasons if reason.key == "egress/bandwidth")
    assert why.value == "1.9mbit"
    assert why.source == "RFC 7567 section 4"
    calm = write(wanted(application="voip"), "calls", measured=CALM).persona
    assert calm.egress.bandwidth is None


def test_a_backup_leaves_half_to_others() -> None:
    persona = write(wanted(application="backup", bandwidth="300kbit"), "night", measured=CALM).persona
    assert to_mapping(persona)["dscp"] == "le"
    assert persona.egress.bandwidth == 1_000_000
    assert persona.ingress.bandwidth == 300_000
    assert persona.queue_configuration[0].priority == 0


def test_numbers_alone_do_and_go_before_the_applications_own() -> None:
    urgent = write(wanted(latency="80ms", bandwidth="2mbit"), "mine").persona
    assert urgent.qos_priority == 8
    relaxed = write(wanted(bandwidth="2mbit"), "mine").persona
    assert relaxed.qos_priority == 5
    video = write(wanted(application="video", bandwidth="1mbit"), "mine", measured=QUEUED)
    assert video.persona.ingress.bandwidth == 1_000_000


def test_what_protects_the_workload_stays() -> None:
    worn = from_mapping(
        {
            "persona_id": "locked",
            "security_profile": "restricted",
            "filtering_rules": [{"protocol": "tcp", "port": 23, "action": "drop"}],
            "ingress": {"latency": "100ms"},
        }
    )
    written = write(wanted(application="voip"), "calls", worn=worn)
    assert written.persona.security_profile == "restricted"
    assert written.persona.filtering_rules == worn.filtering_rules
    assert not written.persona.ingress.latency, "conditions are not taken over"
    assert {"security_profile", "filtering_rules"} <= {reason.key for reason in written.reasons}


def test_what_no_persona_can_give_is_said() -> None:
    far = write(wanted(application="voip"), "calls", measured=measured(900, 800, 0.05, loss=0.05))
    assert any("half of the shortest round trip, 400ms, is over 150ms" in said for said in far.warnings)
    assert any("5.00% is lost, over 1%" in said for said in far.warnings)
    slow = write(wanted(application="video"), "calls", measured=QUEUED)
    assert "egress carries 2mbit at its limit, less than the 4mbit that is required" in slow.warnings
    assert not write(wanted(application="voip"), "calls", measured=CALM).warnings
    assert write(wanted(application="voip"), "calls").warnings == (
        "nothing is measured of this workload, so what the path can carry is not known",
    )


def test_a_requirement_requires_something() -> None:
    with pytest.raises(ValidationError):
        wanted()
    with pytest.raises(ValidationError):
        wanted(application="fax")


@pytest.mark.parametrize("workload", ["web", "Web.01_x", "a" * 63])
def test_names_are_those_of_personas(workload: str) -> None:
    name = default_name(wanted(application="voip"), workload)
    assert from_mapping({"persona_id": name}).persona_id == name
