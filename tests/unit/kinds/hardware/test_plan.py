"""What a persona changes on an interface, worked out before anything is touched."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netpersona.kinds.hardware import Capabilities, Hardware, Plan, Settings, plan
from netpersona.kinds.persona import compile_persona, from_mapping

NIC: Settings = {
    "coalesce/rx_usecs": 3,
    "coalesce/rx_frames": 0,
    "coalesce/adaptive_rx": True,
    **{f"queue/{queue}/coalesce/rx_usecs": 3 for queue in range(4)},
    "rings/rx": 256,
    "rings/tx": 256,
    "channels/combined": 4,
    "features/tx-tcp-segmentation": True,
    "features/tx-tcp6-segmentation": True,
    "features/rx-gro": True,
    "txqueuelen": 1000,
    "rss/table": "equal 4",
    "rss/key": "6d5a56da",
}
SIX = Capabilities(
    driver="six",
    maxima={"rings/rx": 4096, "rings/tx": 4096, "channels/combined": 8},
    queues=4,
    per_queue=True,
    ntuple=16,
    rss=128,
)
VETH = Capabilities(driver="veth", maxima={"channels/rx": 2, "channels/tx": 2})
VETH_SETTINGS: Settings = {"channels/rx": 1, "channels/tx": 1, "features/rx-gro": False, "txqueuelen": 1000}


def hardware(**document: Any) -> Hardware:
    return compile_persona(from_mapping({"persona_id": "p", **document})).hardware


def planned(saved: Settings | None = None, **document: Any) -> Plan:
    return plan(NIC, hardware(**document), SIX, saved)


def queue(number: int, **more: Any) -> dict[str, Any]:
    return {"queue_id": number, **more}


def test_a_persona_without_hardware_asks_nothing() -> None:
    wanted = hardware(egress={"latency": "10ms"}, queue_configuration=[queue(0, priority=7)])
    assert not wanted
    assert plan(NIC, wanted, SIX).deltas == ()


def test_only_what_differs_is_changed_each_with_its_label() -> None:
    found = planned(rings={"rx": 512, "tx": 256}, interrupt_coalescing={"rx_usecs": 8}, txqueuelen=100)
    assert [(delta.key, delta.before, delta.after, delta.label) for delta in found.deltas] == [
        ("rings/rx", 256, 512, "flap"),
        ("coalesce/rx_usecs", 3, 8, "live"),
        ("txqueuelen", 1000, 100, "reinit"),
    ]
    assert (found.label, found.outage_s) == ("flap", 2.0)
    assert [delta.assumed for delta in found.deltas] == [True, True, False]


@pytest.mark.parametrize(
    ("document", "pointer", "message", "remedy"),
    [
        ({"rings": {"rx": 8192}}, "/rings/rx", "over the maximum of 4096", "write 4096 or less"),
        (
            {"queue_configuration": [queue(7, interrupt_coalescing={"rx_usecs": 8})]},
            "/queue_configuration/0/interrupt_coalescing/rx_usecs",
            "no queue 7, it has 4",
            "write a queue_id of 0 to 3",
        ),
        ({"offloads": {"tsoo": True}}, "/offloads/tsoo", "no offload tsoo", "did you mean tso?"),
        ({"rss": {"equal": 9}}, "/rss/equal", "has 4 receive queues", "name 4 or fewer"),
        ({"rss": {"key": "01:02"}}, "/rss/key", "has 4 bytes", "write 4 bytes"),
        (
            {
                "queue_configuration": [
                    queue(0, filtering_rules=[{"protocol": "udp", "port": 53}]),
                    queue(1, filtering_rules=[{"protocol": "udp", "source": "10.0.0.0/8"}]),
                ]
            },
            "/queue_configuration/1/filtering_rules/0",
            "overlap",
            "exclude each other",
        ),
    ],
)
def test_what_the_interface_has_not_is_refused(
    document: dict[str, Any], pointer: str, message: str, remedy: str
) -> None:
    (problem,) = planned(**document).refusals
    assert problem.pointer == pointer
    assert message in problem.message
    assert remedy in problem.remedy


def test_an_alias_stands_for_all_that_the_interface_has_of_it() -> None:
    assert planned(offloads={"tso": False}).goal == {
        "features/tx-tcp-segmentation": False,
        "features/tx-tcp6-segmentation": False,
    }


def test_each_part_says_where_it_acts() -> None:
    wanted = hardware(
        rings={"rx": 512},
        channels={"rx": 2},
        queue_configuration=[queue(0, interrupt_coalescing={"rx_usecs": 8})],
        offloads={"lro": True},
    )
    found = plan(VETH_SETTINGS, wanted, VETH)
    assert found.refusals == ()
    places = {place.pointer: (place.where, place.text) for place in found.places}
    assert places["/channels/rx"][0] == "hardware"
    assert places["/rings/rx"] == ("nowhere", "driver veth has no rings")
    assert places["/offloads/lro"] == ("nowhere", "driver veth does not let lro be changed")
    assert places["/queue_configuration/0/interrupt_coalescing/rx_usecs"][0] == "nowhere"
    assert places["/queue_configuration/0"][0] == "data path"
    assert (found.label, found.goal) == ("flap", {"channels/rx": 2})


def test_one_setting_for_all_queues_takes_what_they_agree_on() -> None:
    one = SIX.model_copy(update={"per_queue": False})
    agreed = hardware(queue_configuration=[queue(n, interrupt_coalescing={"rx_usecs": 8}) for n in (0, 1)])
    assert plan(NIC, agreed, one).goal == {"coalesce/rx_usecs": 8}
    split = hardware(queue_configuration=[queue(n, interrupt_coalescing={"rx_usecs": n}) for n in (0, 1)])
    assert plan(NIC, split, one).goal == {}
    assert {place.where for place in plan(NIC, split, one).places} == {"nowhere", "data path"}


def test_each_queue_has_its_own_where_the_nic_does() -> None:
    wanted = [queue(n, interrupt_coalescing={"rx_usecs": 8 * n}) for n in (1, 2)]
    assert planned(queue_configuration=wanted).goal == {
        "queue/1/coalesce/rx_usecs": 8,
        "queue/2/coalesce/rx_usecs": 16,
    }


def test_rules_are_steered_by_hardware_that_can_and_keep_their_place() -> None:
    rules = [{"protocol": "udp", "port": 53}, {"protocol": "tcp", "port": "80-90"}, {"protocol": "icmp"}]
    found = planned(queue_configuration=[queue(1, filtering_rules=rules)])
    assert found.goal == {"ntuple/0": "udp4 dport 53 queue 1", "ntuple/1": "udp6 dport 53 queue 1"}
    said = [place.text for place in found.places if place.where == "data path"]
    assert any("one port, not a range" in text for text in said)
    there = {**NIC, **found.goal}
    wanted = hardware(queue_configuration=[queue(1, filtering_rules=rules)])
    ours = dict.fromkeys(found.goal)
    assert plan(there, wanted, SIX, ours).deltas == ()
    assert plan(there, Hardware(), SIX, ours).goal == dict.fromkeys(found.goal)


def test_rules_of_others_stay_and_are_not_overlapped() -> None:
    there = {**NIC, "ntuple/0": "udp4 dport 53 queue 2"}
    wanted = hardware(queue_configuration=[queue(1, filtering_rules=[{"protocol": "tcp", "port": 80}])])
    assert set(plan(there, wanted, SIX).goal) == {"ntuple/1", "ntuple/2"}
    wanted = hardware(queue_configuration=[queue(1, filtering_rules=[{"protocol": "udp", "port": 53}])])
    assert "overlap" in plan(there, wanted, SIX).refusals[0].message


def test_fewer_channels_come_after_a_table_that_does_not_name_the_others() -> None:
    fewer = planned(channels={"combined": 2}, rss={"equal": 2})
    assert [delta.key for delta in fewer.deltas] == ["rss/table", "channels/combined"]
    more = plan({**NIC, "rss/table": "equal 2"}, hardware(channels={"combined": 8}, rss={"equal": 8}), SIX)
    assert [delta.key for delta in more.deltas] == ["channels/combined", "rss/table"]


def test_weights_become_a_table_of_shares() -> None:
    table = planned(rss={"weights": [3, 1]}).goal["rss/table"]
    assert str(table).split().count("0") == 96
    assert str(table).split().count("1") == 32


asks = st.fixed_dictionaries(
    {},
    optional={
        "rings": st.fixed_dictionaries({}, optional={"rx": st.integers(1, 5000), "tx": st.integers(1, 5000)}),
        "interrupt_coalescing": st.fixed_dictionaries({}, optional={"rx_usecs": st.integers(0, 9)}),
        "channels": st.fixed_dictionaries({}, optional={"combined": st.integers(1, 9)}),
        "offloads": st.dictionaries(st.sampled_from(["tso", "gro", "lro", "nonsense"]), st.booleans()),
        "txqueuelen": st.integers(0, 2000),
    },
)


@given(asks, asks)
def test_a_plan_leads_there_from_any_other_and_back(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Over a dictionary for an interface: a plan done leaves none, and giving up ends where it began."""
    there: dict[str, Any] = dict(NIC)
    for document in (first, second):
        owned = {key: value for key, value in NIC.items() if there[key] != value}
        found = plan(there, hardware(**document), SIX, owned)
        there |= found.goal
        owned |= {key: NIC[key] for key in found.goal}
        assert plan(there, hardware(**document), SIX, owned).deltas == ()
        assert all(0 <= there[f"rings/{way}"] <= 4096 for way in ("rx", "tx"))
    there |= plan(there, Hardware(), SIX, owned).goal
    assert there == NIC
