from __future__ import annotations

from typing import Any

import pytest

from netpersona.host.containers import Container, named, read_container

ONE, OTHER = "a" * 64, "a" * 12 + "b" * 52


def document(**changes: Any) -> dict[str, Any]:
    """What `GET /containers/{id}/json` answers, as far as it is read."""
    return {
        "Id": ONE,
        "Name": "/web",
        "State": {"Running": True, "Pid": 4711},
        "Config": {"Labels": {"netpersona.persona": "lag", "else": "x"}},
        **changes,
    }


def test_a_container_is_read_as_docker_and_podman_write_it() -> None:
    assert read_container(document()) == Container(ONE, "web", 4711, (("netpersona.persona", "lag"),))


@pytest.mark.parametrize(
    "state", [{"Running": False, "Pid": 4711}, {"Running": True, "Pid": 0}, {}, None, []]
)
def test_one_that_does_not_run_has_no_pid(state: object) -> None:
    container = read_container(document(State=state))
    assert container is not None
    assert not container.running


@pytest.mark.parametrize("name", ["/../web", "/web\x1b[2J", "/" + "w" * 200, 7, None, "/web\n"])
def test_a_name_of_another_form_is_none(name: object) -> None:
    container = read_container(document(Name=name))
    assert container is not None
    assert container.name == ""


@pytest.mark.parametrize("identity", ["web", "A" * 64, "a" * 65, "", None, 5])
def test_an_id_of_another_form_is_not_believed(identity: object) -> None:
    assert read_container(document(Id=identity)) is None


def test_labels_are_cut_and_others_are_not_kept() -> None:
    labels = {"netpersona.persona": "x" * 10_000, "netpersona.ttl": ["1h"], "netpersona.other": "y"}
    container = read_container(document(Config={"Labels": labels}))
    assert container is not None
    assert [(key, len(value)) for key, value in container.labels] == [
        ("netpersona.persona", 64),
        ("netpersona.ttl", 6),
    ]


def test_a_name_comes_before_the_beginning_of_an_id_and_a_whole_id_before_a_name() -> None:
    """A container that calls itself like the id of another does not take its place."""
    one, liar = Container(ONE, "web", 1), Container(OTHER, ONE, 2)
    assert named([liar, one], ONE) == [one]
    assert named([one, liar], "web") == [one]
    assert named([one, liar], OTHER[:20]) == [liar]
    assert named([one, liar], "a" * 11) == []
    assert len(named([one, liar], "a" * 12)) == 2
