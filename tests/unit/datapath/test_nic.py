"""Hardware settings over a NIC in memory that has everything; no emulated one here has."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.driver_contract import DriverContract, look, wanting

from netpersona.datapath import Assigned, DatapathError, Endpoint, Facing, HardwareRefused, Target
from netpersona.datapath.nic.driver import NicDriver
from netpersona.datapath.nic.fake import FakeEthtool, six
from netpersona.datapath.nic.saved import Records
from netpersona.kinds.hardware import HardwareReport
from netpersona.kinds.persona import compile_persona, from_mapping

INTERFACES = (Endpoint("nic0", 11, Facing.NETWORK), Endpoint("nic1", 12, Facing.NETWORK))
BOOT = "this boot"

EVERYTHING: dict[str, Any] = {
    "channels": {"combined": 2},
    "rings": {"rx": 512},
    "rss": {"equal": 2},
    "offloads": {"tso": False},
    "txqueuelen": 100,
    "interrupt_coalescing": {"rx_usecs": 8, "adaptive": False},
    "queue_configuration": [
        {
            "queue_id": 1,
            "interrupt_coalescing": {"rx_usecs": 64},
            "filtering_rules": [{"protocol": "udp", "port": 5060, "source": "10.0.0.0/8"}],
        }
    ],
}


class World:
    """Two NICs and a directory, which outlive the driver."""

    interfaces = INTERFACES

    def __init__(self, directory: Path, boot: str = BOOT) -> None:
        self.directory, self.boot = directory, boot
        self.kernel = FakeEthtool({11: six(), 12: replace(six(), name="nic1", address="02:00:00:00:00:07")})
        self.restart()

    def unplug(self, endpoint: Endpoint) -> None:
        del self.kernel.nics[endpoint.ifindex]
        self.kernel.edited = None

    def cut_at(self, moment: int | None) -> None:
        self.kernel.cut_at = moment

    def restart(self) -> None:
        self.driver = NicDriver(self.kernel, Records(self.directory, self.boot))

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.kernel.nics[11].settings)

    @property
    def files(self) -> list[Path]:
        return sorted(self.directory.iterdir())

    def wear(self, assigned: Assigned | None, sequence: int = 1) -> None:
        """What a pass does for the first of them."""
        target = Target("web", 11, INTERFACES[0], assigned, sequence)
        wanted = wanting(target)
        for change in self.driver.plan(look(self.driver, wanted), wanted):
            self.driver.apply(change)

    def report(self) -> HardwareReport:
        return HardwareReport.model_validate(self.driver.report(11))


def asking(disruptive: bool = True, **document: Any) -> Assigned:
    persona = compile_persona(from_mapping({"persona_id": "p", **document}))
    return Assigned(persona, allow_disruptive=disruptive)


NOTHING_WORN = Assigned(None)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "hardware")


class TestFakeNic(DriverContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> World:
        return World(tmp_path / "hardware")


def test_everything_is_set_and_given_back(world: World) -> None:
    before = world.settings
    world.wear(asking(**EVERYTHING))
    there = world.settings
    assert (there["channels/combined"], there["rings/rx"], there["txqueuelen"]) == (2, 512, 100)
    assert (there["coalesce/rx_usecs"], there["queue/1/coalesce/rx_usecs"]) == (8, 64)
    assert there["rss/table"] == "equal 2"
    assert there["ntuple/0"] == "udp4 src 10.0.0.0/8 dport 5060 queue 1"
    world.wear(NOTHING_WORN, 2)
    assert world.settings == before
    assert world.files == []


def test_keys_that_the_next_persona_does_not_name_go_back(world: World) -> None:
    world.wear(asking(txqueuelen=100, interrupt_coalescing={"rx_usecs": 8}))
    world.wear(asking(txqueuelen=50), 2)
    assert (world.settings["txqueuelen"], world.settings["coalesce/rx_usecs"]) == (50, 3)
    world.wear(asking(egress={"latency": "1ms"}), 3)
    assert world.settings["txqueuelen"] == 1000
    assert world.files == []


def test_personas_that_ask_the_same_cause_no_call_and_no_pass(world: World) -> None:
    world.wear(asking(txqueuelen=100))
    calls = len(world.kernel.calls)
    other = asking(txqueuelen=100, egress={"latency": "5ms"})
    assert not world.driver.concerns(Target("web", 11, INTERFACES[0], other, 2))
    world.wear(other, 2)
    assert len(world.kernel.calls) == calls
    assert world.driver.concerns(Target("web", 11, INTERFACES[0], asking(txqueuelen=9), 3))
    assert world.driver.concerns(Target("web", 11, INTERFACES[0], NOTHING_WORN, 3))
    assert not world.driver.concerns(Target("db", 12, INTERFACES[1], asking(egress={"latency": "5ms"})))


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"rings": {"rx": 8192}, "txqueuelen": 5}, "/rings/rx: rings rx 8192 is over the maximum of 4096"),
        ({"offloads": {"nonsense": True}}, "there is no offload nonsense"),
        ({"queue_configuration": [{"queue_id": 9, "interrupt_coalescing": {"rx_usecs": 1}}]}, "no queue 9"),
    ],
)
def test_a_bad_persona_is_refused_before_anything_is_touched(
    world: World, document: dict[str, Any], said: str
) -> None:
    before = world.settings
    with pytest.raises(HardwareRefused, match=said):
        world.wear(asking(**document))
    assert (world.settings, world.kernel.calls, world.files) == (before, [], [])


def test_what_takes_the_link_down_needs_to_be_allowed(world: World) -> None:
    with pytest.raises(HardwareRefused, match=r"rings/rx 256 to 512: takes the link down .*allow_disruptive"):
        world.wear(asking(disruptive=False, rings={"rx": 512}))
    assert world.kernel.calls == []
    world.wear(asking(rings={"rx": 512}))
    world.wear(NOTHING_WORN, 2)  # the way back is always open
    assert world.settings["rings/rx"] == 256


STEPS = ["features", "channels", "rings", "coalesce", "queue/1/coalesce", "rss", "ntuple/0", "txqueuelen"]


@pytest.mark.parametrize("step", STEPS)
def test_what_the_driver_refuses_is_undone_whole_and_not_tried_again(world: World, step: str) -> None:
    before = world.settings
    world.kernel.refused = {step}
    with pytest.raises(HardwareRefused, match="the interface is as it was before"):
        world.wear(asking(**EVERYTHING))
    assert world.settings == before
    assert world.files == []
    calls = len(world.kernel.calls)
    with pytest.raises(HardwareRefused, match="the interface is as it was before"):
        world.wear(asking(**EVERYTHING))
    assert len(world.kernel.calls) == calls
    world.kernel.refused = set()
    world.wear(asking(**EVERYTHING), 2)
    assert world.settings["txqueuelen"] == 100


@pytest.mark.parametrize("step", STEPS)
def test_a_second_persona_that_fails_leaves_the_first(world: World, step: str) -> None:
    world.wear(asking(txqueuelen=77, rings={"tx": 1024}))
    first = world.settings
    world.kernel.refused = {step}
    with pytest.raises(HardwareRefused):
        world.wear(asking(**EVERYTHING), 2)
    assert world.settings == first
    world.kernel.refused = set()
    world.wear(NOTHING_WORN, 3)
    assert world.settings == dict(six().settings)


def test_what_the_driver_rounds_is_told_and_undone(world: World) -> None:
    world.kernel.rounds = {"rings/rx": lambda value: int(value or 0) + 7 & ~7}
    with pytest.raises(HardwareRefused, match="rings/rx was set to 500 and the driver made 504 of it"):
        world.wear(asking(rings={"rx": 500}))
    assert world.settings["rings/rx"] == 256


# ---- killed ------------------------------------------------------------------------------------------


def moments(world: World, act: Callable[[], None]) -> int:
    """How many there are in what `act` does."""
    world.cut_at(10_000)
    act()
    left = world.kernel.cut_at
    world.cut_at(None)
    assert left is not None
    return 10_000 - left


@pytest.mark.parametrize("then", ["goes on", "is told nothing", "is told otherwise", "is released"])
def test_killed_anywhere_it_ends_in_the_old_or_in_the_new(tmp_path: Path, then: str) -> None:
    """From one persona to another; at every moment the agent dies and the next one takes up what it finds."""
    first, second = asking(txqueuelen=77, rings={"tx": 1024}), asking(**EVERYTHING)
    whole = World(tmp_path / "whole")
    whole.wear(first)
    old = whole.settings
    count = moments(whole, lambda: whole.wear(second, 2))
    new = whole.settings
    for moment in range(count):
        world = World(tmp_path / f"{moment}")
        world.wear(first)
        world.cut_at(moment)
        with pytest.raises((DatapathError, OSError)):
            world.wear(second, 2)
        world.cut_at(None)
        world.restart()
        if then == "goes on":
            world.wear(second, 2)
            assert world.settings == new, moment
        elif then == "is told nothing":
            world.wear(None, 2)
            assert world.settings in (old, new), moment
        elif then == "is told otherwise":
            world.wear(first, 3)
            assert world.settings == old, moment
        world.wear(NOTHING_WORN, 4)
        assert world.settings == dict(six().settings), moment
        assert world.files == [], moment


coalescing = st.fixed_dictionaries({}, optional={"rx_usecs": st.integers(0, 9)})
documents = st.fixed_dictionaries(
    {},
    optional={
        "rings": st.fixed_dictionaries({}, optional={"rx": st.integers(1, 4200), "tx": st.integers(1, 4200)}),
        "channels": st.fixed_dictionaries({}, optional={"combined": st.integers(1, 9)}),
        "rss": st.fixed_dictionaries({}, optional={"equal": st.integers(1, 9)}),
        "interrupt_coalescing": st.fixed_dictionaries({}, optional={"rx_usecs": st.integers(0, 9)}),
        "offloads": st.dictionaries(st.sampled_from(["tso", "gro", "lro"]), st.booleans()),
        "txqueuelen": st.integers(0, 2000),
        "queue_configuration": st.lists(
            st.fixed_dictionaries(
                {"queue_id": st.integers(0, 8)},
                optional={
                    "interrupt_coalescing": st.fixed_dictionaries(
                        {}, optional={"rx_usecs": st.integers(0, 9)}
                    ),
                    "filtering_rules": st.lists(
                        st.fixed_dictionaries({"protocol": st.just("tcp"), "port": st.integers(80, 83)}),
                        max_size=3,
                    ),
                },
            ),
            max_size=3,
            unique_by=lambda queue: str(queue["queue_id"]),
        ),
    },
)


failing = st.sampled_from([None, *STEPS])


@settings(deadline=None, max_examples=150)
@example([({"rings": {"rx": 1}}, None, 3), ({}, None, 0)])
@given(
    st.lists(
        st.tuples(documents, st.sampled_from([None, *STEPS]), st.none() | st.integers(0, 30)), max_size=4
    )
)
def test_whatever_fails_in_whatever_order_the_way_back_is_whole(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[dict[str, Any], str | None, int | None]]
) -> None:
    world = World(tmp_path_factory.mktemp("hardware"))
    whole = world.settings
    for sequence, (document, refused, cut) in enumerate(acts, 1):
        world.kernel.refused = {refused} if refused else set()
        world.cut_at(cut)
        try:
            world.wear(asking(**document), sequence)
            whole = world.settings
        except HardwareRefused:
            assert world.settings == whole
        except (DatapathError, OSError):
            world.cut_at(None)
            world.restart()
    world.kernel.refused = set()
    world.cut_at(None)
    world.restart()
    world.wear(NOTHING_WORN, 99)
    assert world.settings == dict(six().settings)
    assert world.files == []


# ---- others ------------------------------------------------------------------------------------------


def test_what_others_set_is_drift_and_left_until_the_next_assignment(world: World) -> None:
    world.wear(asking(txqueuelen=100, interrupt_coalescing={"rx_usecs": 8}))
    world.kernel.edit(11, {"txqueuelen": 300, "rings/rx": 1024})
    world.wear(asking(txqueuelen=100, interrupt_coalescing={"rx_usecs": 8}))
    assert world.settings["txqueuelen"] == 300
    assert world.report().drift == ("txqueuelen",)
    world.wear(asking(txqueuelen=100, interrupt_coalescing={"rx_usecs": 8}), 2)
    assert world.settings["txqueuelen"] == 100
    assert world.report().drift == ()
    world.wear(NOTHING_WORN, 3)
    assert (world.settings["txqueuelen"], world.settings["rings/rx"]) == (1000, 1024)


def test_a_rule_of_somebody_else_stays(world: World) -> None:
    world.kernel.edit(11, {"ntuple/0": "tcp4 dport 22 queue 3"})
    rule = [{"queue_id": 1, "filtering_rules": [{"protocol": "udp", "port": 53}]}]
    world.wear(asking(queue_configuration=rule))
    assert {"ntuple/0", "ntuple/1", "ntuple/2"} <= world.settings.keys()
    world.wear(NOTHING_WORN, 2)
    assert world.settings == {**six().settings, "ntuple/0": "tcp4 dport 22 queue 3"}


def test_what_is_reported_is_enough_to_plan_by(world: World) -> None:
    world.wear(asking(**EVERYTHING))
    report = world.report()
    assert report.all_settings == world.settings
    assert report.capabilities.driver == "six"
    assert report.saved["rings/rx"] == 256
    assert len(json.dumps(world.driver.report(11))) < 4096


# ---- files -------------------------------------------------------------------------------------------


def test_what_was_saved_survives_a_reboot_that_reset_the_nic(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.wear(asking(txqueuelen=100))
    world.kernel.edit(11, {"txqueuelen": 1000})
    world.boot = "the next boot"
    world.restart()
    world.wear(asking(txqueuelen=100))
    assert (world.settings["txqueuelen"], world.report().drift) == (100, ())
    world.wear(NOTHING_WORN, 2)
    assert world.settings == dict(six().settings)


def test_a_file_of_another_interface_of_that_number_is_forgotten(world: World) -> None:
    world.wear(asking(txqueuelen=100))
    other = six()
    world.kernel.nics[11] = replace(other, name="new", address="02:aa:00:00:00:01")
    world.restart()
    world.wear(NOTHING_WORN, 2)
    assert world.settings == dict(other.settings)
    assert world.files == []


def test_files_are_for_root_alone(world: World) -> None:
    world.wear(asking(txqueuelen=100))
    (file,) = world.files
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"boot": "this boot", "ifindex": 11}', b"x" * (2 << 20)],
    ids=["empty", "torn", "a list", "no text", "keys missing", "huge"],
)
def test_garbage_is_passed_over_and_does_no_harm(world: World, content: bytes) -> None:
    (world.directory / "11.json").write_bytes(content)
    world.restart()
    before = world.settings
    world.wear(asking(txqueuelen=100))
    world.wear(NOTHING_WORN, 2)
    assert world.settings == before


def hostile(path: Path, make: str, content: str) -> None:
    aside = path.with_suffix(".aside")
    aside.write_text(content)
    match make:
        case "symlink":
            path.symlink_to(aside)
        case "fifo":
            os.mkfifo(path)
        case "writable":
            aside.chmod(0o666)
            aside.rename(path)
        case "another's":
            aside.rename(path)
            os.chown(path, 65534, 65534)
        case "another number":
            aside.rename(path.with_name("77.json"))


@pytest.mark.parametrize("make", ["symlink", "fifo", "writable", "another's", "another number"])
def test_what_others_could_have_written_is_not_believed(world: World, make: str) -> None:
    if os.geteuid() and make == "another's":
        pytest.skip("giving files away takes root")
    record = {
        **{"boot": BOOT, "ifindex": 11, "name": "nic0", "address": "02:00:00:00:00:06", "driver": "six"},
        **{"saved": {"txqueuelen": 1}, "applied": {"txqueuelen": 1000}},
    }
    hostile(world.directory / "11.json", make, json.dumps(record))
    world.restart()
    before = world.settings
    world.wear(NOTHING_WORN)
    assert world.settings == before


def test_a_full_disk_touches_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    before = world.settings
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises((DatapathError, OSError), match="No space"):
        world.wear(asking(txqueuelen=100))
    assert (world.settings, world.kernel.calls) == (before, [])
