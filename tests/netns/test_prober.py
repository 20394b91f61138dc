"""Probes through an attachment: what they show is what the persona asked for."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

import pytest
from tests.netns.wire import Wire, marker

from netpersona import _engine
from netpersona.datapath import Prober

pytestmark = pytest.mark.netns

directions = pytest.mark.parametrize("direction", ["egress", "ingress"])
MS = 1_000_000


@dataclass(frozen=True)
class Outcome:
    """`copies` captured of each probe, which of them were corrupted, and the delays of all copies."""

    copies: list[int]
    corrupted: int
    delays_ns: list[int]


def probe(wire: Wire, direction: str, count: int = 50, length: int = 128) -> Outcome:
    attachment = wire.host.attachments[wire.host.subject.host_interface]
    prober = Prober(wire.host.run_dir)
    fates = prober(attachment, direction, count=count, interval_ns=MS, length=length, settle_ns=200 * MS)
    return Outcome(
        [len(fate.captured_ns) for fate in fates],
        sum(fate.corrupted for fate in fates),
        [copy - fate.sent_ns for fate in fates for copy in fate.captured_ns],
    )


@directions
@pytest.mark.parametrize("length", [128, 1400])
def test_probes_come_back_whole_without_conditions(wire: Wire, direction: str, length: int) -> None:
    wire.wear({"security_profile": "restricted", "default_action": "drop"})
    outcome = probe(wire, direction, length=length)
    assert (outcome.copies, outcome.corrupted) == ([1] * 50, 0)
    assert median(outcome.delays_ns) < MS


@directions
def test_probes_take_the_delay_of_their_direction_alone(wire: Wire, direction: str) -> None:
    wire.wear({direction: {"latency": "20ms"}})
    outcome = probe(wire, direction)
    assert outcome.copies == [1] * 50
    assert 20 * MS <= median(outcome.delays_ns) < 22 * MS
    other = probe(wire, "ingress" if direction == "egress" else "egress")
    assert median(other.delays_ns) < MS


@directions
def test_probes_are_lost_duplicated_and_corrupted(wire: Wire, direction: str) -> None:
    wire.wear({direction: {"loss": "100%"}})
    assert probe(wire, direction).copies == [0] * 50
    wire.wear({direction: {"duplicate": "100%"}})
    assert probe(wire, direction).copies == [2] * 50
    wire.wear({direction: {"corrupt": "50%"}, "seed": 1})
    assert 70 <= probe(wire, direction, count=200).corrupted <= 130


def test_probes_do_not_leave(wire: Wire) -> None:
    wire.wear({})
    wire.peer.socket.settimeout(0.05)
    try:
        probe(wire, "egress", count=3)
        with pytest.raises(TimeoutError):
            wire.peer.receive(b"\x88\xb6")
    finally:
        wire.peer.socket.settimeout(5)


@pytest.mark.parametrize(
    ("persona", "arrives"),
    [({}, True), ({"egress": {"latency": "5ms"}}, True), ({"default_action": "drop"}, False)],
    ids=["straight", "detour", "drop"],
)
def test_a_frame_of_their_type_from_a_workload_is_no_probe(
    wire: Wire, persona: dict[str, object], arrives: bool
) -> None:
    """Or any workload could write into the ring that everybody's verification is read from."""
    wire.wear(persona)
    captures = _engine.Probes(wire.host.datapath.pins)
    captures.read(0)
    mark = marker()
    received = wire.carry(wire.workload, wire.peer, b"\x88\xb6" + mark.ljust(200, b"\0"), mark)
    assert (received is not None) == arrives
    assert captures.read(0) == []
