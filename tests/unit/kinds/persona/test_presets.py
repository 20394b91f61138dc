from collections import Counter

import pytest

from netpersona.kinds.persona import compile_persona, dump, loads, presets


def test_every_source_is_there_in_full() -> None:
    families = Counter(name.split("-")[0] for name in presets())
    assert families == {
        "atc": 10, "chrome": 3, "lighthouse": 2, "webpagetest": 9, "firefox": 8,
        "comcast": 8, "android": 3, "3gpp": 5, "starlink": 2, "lockdown": 1,
    }  # fmt: skip


@pytest.mark.parametrize("name", presets())
def test_a_preset_cites_its_source_compiles_and_reads_back(name: str) -> None:
    preset = presets()[name]
    assert "Source: " in preset.description
    assert compile_persona(preset).digest
    assert loads(dump(preset)) == [preset]


@pytest.mark.parametrize(
    "name", [name for name, preset in presets().items() if preset.egress.acts or preset.ingress.acts]
)
def test_a_preset_says_how_its_latency_counts(name: str) -> None:
    assert any(word in presets()[name].description for word in ("one way", "round trip"))


def test_one_way_latencies_are_on_both_directions_and_round_trips_on_ingress() -> None:
    one_way, round_trip = presets()["atc-3g-good"], presets()["webpagetest-3g"]
    assert (str(one_way.egress.latency), str(one_way.ingress.latency)) == ("100ms", "90ms")
    assert (str(round_trip.egress.latency), str(round_trip.ingress.latency)) == ("0s", "300ms")
    assert (str(round_trip.egress.bandwidth), str(round_trip.ingress.bandwidth)) == ("768kbit", "1.6mbit")


def test_no_connectivity_drops_every_flow_without_leaving_the_kernel() -> None:
    preset = presets()["atc-no-connectivity"]
    assert preset.default_action == "drop"
    assert not preset.egress.acts
    assert not preset.ingress.acts
