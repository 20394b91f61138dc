from typing import Any

from netpersona.kinds.persona import Change, Persona, diff, from_mapping


def persona(**document: Any) -> Persona:
    return from_mapping({"persona_id": "p", **document})


def test_equal_personas_have_no_changes() -> None:
    assert diff(persona(mtu=1400), persona(mtu=1400)) == []
    assert diff(None, None) == []


def test_a_change_names_its_key_and_both_values() -> None:
    changes = diff(persona(egress={"loss": "1%"}), persona(egress={"latency": "5ms"}))
    assert changes == [
        Change("/egress/latency", "0s", "5ms", "live"),
        Change("/egress/loss", "1%", None, "live"),
    ]


def test_from_nothing_only_what_the_document_says_counts() -> None:
    assert diff(None, persona(mtu=1400)) == [
        Change("/persona_id", None, "p", "live"),
        Change("/mtu", None, 1400, "live"),
    ]


def test_lists_are_compared_item_by_item() -> None:
    rules = [{"protocol": "tcp", "port": 1}, {"protocol": "tcp", "port": 2}]
    changes = diff(
        persona(filtering_rules=rules), persona(filtering_rules=[rules[0], rules[1] | {"port": 3}])
    )
    assert changes == [Change("/filtering_rules/1/port", 2, 3, "live")]


def test_an_entry_that_goes_or_comes_is_one_change() -> None:
    queue = {"queue_id": 0, "priority": 7, "interrupt_coalescing": {"rx_usecs": 8}}
    changes = diff(
        persona(filtering_rules=[{"protocol": "tcp", "port": 1}]), persona(queue_configuration=[queue])
    )
    assert changes == [
        Change(
            "/filtering_rules/0",
            {"protocol": "tcp", "port": 1, "direction": "both", "action": "forward"},
            None,
            "live",
        ),
        Change("/queue_configuration/0", None, queue, "live"),
    ]


def test_a_value_that_becomes_a_mapping_goes_and_the_keys_come() -> None:
    changes = diff(
        persona(egress={"loss": "1%"}), persona(egress={"loss": {"probability": "2%", "correlation": "5%"}})
    )
    assert [(change.pointer, change.before, change.after) for change in changes] == [
        ("/egress/loss", "1%", None),
        ("/egress/loss/probability", None, "2%"),
        ("/egress/loss/correlation", None, "5%"),
    ]


def test_only_what_hardware_does_is_not_live() -> None:
    before, after = (
        persona(rings={"rx": size}, offloads={"rx-checksum": size > 512}, mtu=size) for size in (512, 1024)
    )
    labels = {change.pointer: change.label for change in diff(before, after)}
    assert labels == {"/mtu": "live", "/rings/rx": "flap", "/offloads/rx-checksum": "reinit"}
