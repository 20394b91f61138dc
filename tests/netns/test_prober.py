"""Probes through an attachment: what they show is what the persona asked for."""

from __future__ import annotations

import ipaddress
import time
from dataclasses import asdict, dataclass
from statistics import median

import pytest
from tests.netns.wire import Wire, marker

from netpersona import _engine
from netpersona.agent.verify.flows import Flow
from netpersona.datapath import Opened, Prober, Train

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
    fates = prober(attachment, [Train(direction, count, MS, length)], settle_ns=200 * MS)[direction]
    return Outcome(
        [len(fate.captured_ns) for fate in fates],
        sum(fate.corrupted for fate in fates),
        [copy - fate.sent_ns for fate in fates for copy in fate.captured_ns],
    )


@directions
@pytest.mark.parametrize("length", [128, 1400])
def test_probes_come_back_whole_without_conditions(wire: Wire, direction: str, length: int) -> None:
    wire.put_on({"security_profile": "restricted", "default_action": "drop"})
    outcome = probe(wire, direction, length=length)
    assert (outcome.copies, outcome.corrupted) == ([1] * 50, 0)
    assert median(outcome.delays_ns) < MS


@directions
def test_probes_take_the_delay_of_their_direction_alone(wire: Wire, direction: str) -> None:
    wire.put_on({direction: {"latency": "20ms"}})
    outcome = probe(wire, direction)
    assert outcome.copies == [1] * 50
    assert 20 * MS <= median(outcome.delays_ns) < 22 * MS
    other = probe(wire, "ingress" if direction == "egress" else "egress")
    assert median(other.delays_ns) < MS


@directions
def test_probes_are_lost_duplicated_and_corrupted(wire: Wire, direction: str) -> None:
    wire.put_on({direction: {"loss": "100%"}})
    assert probe(wire, direction).copies == [0] * 50
    wire.put_on({direction: {"duplicate": "100%"}})
    assert probe(wire, direction).copies == [2] * 50
    wire.put_on({direction: {"corrupt": "50%"}, "seed": 1})
    assert 70 <= probe(wire, direction, count=200).corrupted <= 130


def test_probes_do_not_leave(wire: Wire) -> None:
    wire.put_on({})
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
    wire.put_on(persona)
    captures = _engine.Probes(wire.host.datapath.pins)
    captures.read(0)
    mark = marker()
    received = wire.carry(wire.workload, wire.peer, b"\x88\xb6" + mark.ljust(200, b"\0"), mark)
    assert (received is not None) == arrives
    assert captures.read(0) == []


def prober_of(wire: Wire) -> tuple[Prober, int]:
    return Prober(wire.host.run_dir), wire.host.attachments[wire.host.subject.host_interface]


def test_more_probes_than_the_ring_holds_are_all_seen(wire: Wire) -> None:
    """10,000 in each direction, which were read only after the last was sent: a third was missed."""
    wire.put_on({"egress": {"latency": "20ms"}})
    prober, attachment = prober_of(wire)
    trains = [Train("egress", 15_000, 100_000), Train("ingress", 15_000, 100_000)]
    fates = prober(attachment, trains, settle_ns=300 * MS)
    for direction in ("egress", "ingress"):
        assert [len(fate.captured_ns) for fate in fates[direction]] == [1] * 15_000


def test_probes_stop_when_told_to(wire: Wire) -> None:
    wire.put_on({})
    prober, attachment = prober_of(wire)
    started = time.monotonic()
    fates = prober(
        attachment,
        [Train("egress", 1000, 100 * MS)],
        settle_ns=100_000 * MS,
        stopped=lambda: time.monotonic() - started > 0.35,
    )
    assert time.monotonic() - started < 3
    assert 1 <= len(fates["egress"]) <= 5


@directions
@pytest.mark.parametrize("conditions", [{}, {"latency": "2ms", "duplicate": "50%", "loss": "30%"}])
def test_probes_count_as_nobodys_traffic(wire: Wire, direction: str, conditions: dict[str, object]) -> None:
    wire.put_on({direction: conditions, "security_profile": "standard"})
    prober, attachment = prober_of(wire)
    before = wire.host.datapath.observe(attachment)
    probe(wire, direction)
    prober.verdicts(attachment, [(direction, syn(22)), (direction, syn(23))])
    after = wire.host.datapath.observe(attachment)
    for name in ("egress", "ingress"):
        assert getattr(after, name) == getattr(before, name)
        old, new = (asdict(getattr(seen, f"{name}_lane")) for seen in (before, after))
        follows = ("sent", "settled", "quiet_ns", "seed", "generation")  # of the lane, not of its packets
        assert {k: v for k, v in new.items() if k not in follows} == {
            k: v for k, v in old.items() if k not in follows
        }


def syn(port: int) -> bytes:
    addresses = ipaddress.ip_address("192.0.2.1"), ipaddress.ip_address("198.51.100.1")
    return Flow("ingress", 6, *addresses, 40000, port).packet()


def test_openings_are_judged_by_the_kernel_programs_and_go_nowhere(wire: Wire) -> None:
    queue = {"queue_id": 3, "filtering_rules": [{"protocol": "tcp", "port": 80}]}
    wire.put_on(
        {
            "security_profile": "standard",
            "filtering_rules": [{"protocol": "tcp", "port": 443, "action": "drop"}],
            "queue_configuration": [queue],
            "egress": {"loss": "100%"},
            "ingress": {"loss": "100%"},
            "default_action": "drop",
        }
    )
    prober, attachment = prober_of(wire)
    asked = [
        ("ingress", 22),
        ("ingress", 80),
        ("ingress", 443),
        ("ingress", 25),
        ("egress", 80),
        ("egress", 25),
    ]
    assert list(prober.verdicts(attachment, [(way, syn(port)) for way, port in asked])) == [
        Opened("dropped_default", None),
        Opened("passed", 3),
        Opened("dropped_rule", None),
        Opened("dropped_profile", None),
        Opened("passed", 3),
        Opened("dropped_default", None),
    ]


def test_a_detached_interface_judges_nothing(wire: Wire) -> None:
    wire.put_on({})
    prober, attachment = prober_of(wire)
    assert prober.verdicts(attachment + 1, [("egress", syn(22))]) == [None]
