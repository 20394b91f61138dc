"""Which persona is in force: leases, proof, and what holds without an engine."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from lab.attached_host import AttachedHost
from tests.netns.wire import PEER, UDP, WORKLOAD, Wire, ipv4, marker, udp

from netpersona import _engine

pytestmark = pytest.mark.netns

SHUT = {"default_action": "drop"}
DELAYED = {"egress": {"latency": "1ms"}}


def sends(wire: Wire) -> bool:
    mark = marker()
    return wire.sends(ipv4(WORKLOAD[4], PEER[4], UDP, udp(7, 8, mark)), mark) is not None


@pytest.fixture
def without_engine(wire: Wire) -> Iterator[AttachedHost]:
    host = wire.host
    host.stop_engine()
    beat = host.datapath.engine().heartbeat_age_ns or 0
    time.sleep(max(0, 151_000_000 - beat) / 1e9)
    yield host
    host.start_engine()


def test_a_lease_ends_by_itself(wire: Wire) -> None:
    before = wire.counters("egress").expired
    fallback = wire.host.install({})
    generation = wire.put_on(SHUT, expires_ns=_engine.now_ns() + 200_000_000, fallback_slot=fallback)
    assert not sends(wire)
    time.sleep(0.21)
    assert sends(wire)
    after = wire.counters("egress")
    assert after.expired > before
    assert after.generation == generation + 1, "the fallback has a generation of its own"


def test_a_lease_ends_in_nothing_where_no_fallback_is_named(wire: Wire) -> None:
    wire.put_on(SHUT, expires_ns=1)
    assert sends(wire)


def test_a_packet_proves_the_generation_it_was_decided_under(wire: Wire) -> None:
    generation = wire.put_on({})
    assert wire.counters("egress").generation != generation
    sends(wire)
    proof = wire.counters("egress")
    assert (proof.generation, proof.generation_packets) == (generation, 2)  # with the ARP frame behind


def test_without_an_engine_packets_pass_without_conditions(wire: Wire, without_engine: AttachedHost) -> None:
    wire.put_on(DELAYED)
    before = wire.counters("egress").bypassed.packets
    assert not without_engine.datapath.engine().alive
    assert sends(wire)
    assert wire.counters("egress").bypassed.packets == before + 2


def test_without_an_engine_a_persona_that_fails_closed_drops(
    wire: Wire, without_engine: AttachedHost
) -> None:
    wire.put_on({**DELAYED, "engine_failure": "closed"})
    mark = marker()
    before = wire.counters("egress").dropped_engine.packets
    frame = wire.peer.mac + wire.workload.mac + b"\x08\x00"
    wire.workload.socket.send(frame + ipv4(WORKLOAD[4], PEER[4], UDP, udp(7, 8, mark)))
    assert wire.counters("egress").dropped_engine.packets == before + 1
    without_engine.put_on({})
    assert sends(wire)
