"""What becomes of a workload that is found by name, when there is nothing to be found."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from tests.unit.agent.fakes import workload_document

from netpersona.agent.desired import Workload, parse_workload
from netpersona.agent.locator import Locator
from netpersona.agent.places import Missing, Place, Refused, Unknown
from netpersona.host import Container, Domain, Nic

ID = "a" * 64


@dataclass
class Containers:
    known: list[Container] = field(default_factory=list)
    complete: bool = True
    problem: str = ""

    def find(self, reference: str) -> list[Container]:
        return [container for container in self.known if container.name == reference]


@dataclass
class Domains:
    known: dict[str, Domain] = field(default_factory=dict)
    heard: bool = True
    problem: str = ""

    def find(self, name: str) -> Domain | None:
        return self.known.get(name)


def workload(kind: str, **place: str) -> Workload:
    return parse_workload(workload_document("w", spec={"kind": kind, "host": "h", **place}))


def found(locate: Locator, wanted: Workload) -> Place:
    return locate([wanted])[wanted.workload_id]


WEB, DB = workload("container", container="web"), workload("vm", domain="db")


def test_what_does_not_run_is_waited_for() -> None:
    locate = Locator(Containers([Container(ID, "web", 0)]), Domains({"db": Domain("db", 0)}))
    for wanted in (WEB, DB):
        place = found(locate, wanted)
        assert isinstance(place, Missing)
        assert "does not run" in place.reason


def test_what_nobody_knows_is_missing_only_if_everybody_was_asked() -> None:
    for wanted in (WEB, DB):
        assert isinstance(found(Locator(Containers(), Domains()), wanted), Missing)
        away = Locator(Containers(complete=False, problem="p"), Domains(heard=False, problem="p"))
        silent = found(away, wanted)
        assert isinstance(silent, Unknown)
        assert silent.reason.endswith(": p")


def test_nothing_is_said_while_the_first_answer_is_under_way() -> None:
    locate = Locator(Containers(complete=False), Domains(heard=False))
    assert (found(locate, WEB), found(locate, DB)) == (Unknown(""), Unknown(""))


def test_one_name_in_two_runtimes_is_refused() -> None:
    both = [Container(ID, "web", 1), Container("b" * 64, "web", 2)]
    place = found(Locator(Containers(both), Domains()), WEB)
    assert isinstance(place, Refused)
    assert "by its id" in place.reason


def test_several_nics_must_be_told_apart() -> None:
    nics = (Nic("52:54:00:00:00:01", "vnet0", 1), Nic("52:54:00:00:00:02", "vnet1", 2))
    assert isinstance(found(Locator(Containers(), Domains({"db": Domain("db", 1, nics)})), DB), Refused)


@pytest.mark.parametrize("ifindex", [0, 999_999])
def test_a_tap_whose_name_means_another_interface_by_now_is_gone(ifindex: int) -> None:
    machine = Domain("db", 1, (Nic("52:54:00:00:00:01", "lo", ifindex),))
    assert isinstance(found(Locator(Containers(), Domains({"db": machine})), DB), Missing)
