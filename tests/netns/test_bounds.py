"""Whatever can overflow has a bound, a counter that shows it, and an error that names it where one asks."""

from __future__ import annotations

import os
import signal
import struct
import time
from collections.abc import Iterator

import pytest
from lab.attached_host import AttachedHost, attached_host
from lab.measure import flow, wait_until
from lab.traffic import exchange, missing, start
from tests.netns.wire import PEER, UDP, WORKLOAD, Flow, Wire, ip, udp

from netpersona import _engine
from netpersona.datapath import DETOUR_TAP, AttachmentsFull, Facing, LaneStats, SlotsFull
from netpersona.kinds.persona import InvalidDocument, compile_persona, from_mapping

pytestmark = pytest.mark.netns
UDP_PORTS_AT = 34  # in an untagged Ethernet frame with an IPv4 header without options


@pytest.fixture(scope="module")
def host() -> Iterator[AttachedHost]:
    with attached_host() as made:
        yield made


def lane(host: AttachedHost) -> LaneStats:
    return host.datapath.observe(host.attachments[host.subject.host_interface]).egress_lane


def test_slots() -> None:
    with attached_host() as host:
        slots = host.datapath.probe().slots
        worn = host.put_on({"seed": 1})
        held = [host.datapath.binding(host.attachments[host.subject.host_interface]).slot]
        with pytest.raises(SlotsFull, match=r"NP_MAX_SLOTS.*try again in a second"):
            held += [host.install({"seed": seed}) for seed in range(2, slots + 3)]
        assert worn
        assert len({host.install({"seed": 1}), *held}) <= slots


def test_attachments(host: AttachedHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a bound of two: the kernel takes 14 ms for each hook, two thousand attachments two minutes."""
    monkeypatch.setattr(host.datapath, "_capacity", 3)  # number 0 is no attachment
    peer = host.peer.host_interface
    attachment = host.datapath.attach(peer, Facing.WORKLOAD)
    with pytest.raises(AttachmentsFull, match=r"2 interfaces.*NP_MAX_ATTACHMENTS.*delete workloads"):
        host.datapath.attach(host.lab.bridge, Facing.NETWORK)
    host.datapath.detach(attachment)
    with pytest.raises(AttachmentsFull, match="until a moment ago"):
        host.datapath.attach(host.lab.bridge, Facing.NETWORK)
    wait_until(lambda: host.datapath._open.free(3) is not None, timeout_s=5, what="a number to rest")
    host.datapath.detach(host.datapath.attach(host.lab.bridge, Facing.NETWORK))


def test_rules_of_a_persona() -> None:
    rules = [{"protocol": "udp", "port": 1 + number} for number in range(129)]
    assert compile_persona(from_mapping({"persona_id": "most", "filtering_rules": rules[:128]}))
    with pytest.raises(InvalidDocument, match="128"):
        from_mapping({"persona_id": "more", "filtering_rules": rules})


def test_the_delay_line(host: AttachedHost) -> None:
    """It holds what rate and delay call for, a thousand packets at least; the rest is counted."""
    host.put_on({"egress": {"latency": "400ms", "bandwidth": "1mbit", "burst": 1_000_000}})
    before = lane(host).dropped_line
    records = exchange(
        [flow(host.subject, host.peer, count=1500, interval_s=0.05, burst=1500, size=64)], straggler_s=1
    )[0]
    assert lane(host).dropped_line - before == missing(records, 1500) == 500


def test_the_engines_memory(host: AttachedHost) -> None:
    host.stop_engine()
    host.start_engine("--memory", "200000")
    try:
        host.put_on({"egress": {"latency": "300ms"}})
        before = host.datapath.engine()
        assert before.held_bytes_limit == 200_000
        records = exchange([flow(host.subject, host.peer, count=500, interval_s=0.1, burst=500, size=1000)])[
            0
        ]
        after = host.datapath.engine()
        assert missing(records, 500) == after.dropped_memory - before.dropped_memory > 0
    finally:
        host.stop_engine()
        host.start_engine()


@pytest.fixture
def short_ring(host: AttachedHost) -> Iterator[None]:
    """300 packets stand for the 16,384 that take longer to send than an engine may be silent."""
    change = ("ip", "link", "set", "dev", DETOUR_TAP, "txqueuelen")
    host.lab.host.run(*change, "300")
    yield
    host.lab.host.run(*change, "16384")


@pytest.mark.usefixtures("short_ring")
def test_the_detours_ring(host: AttachedHost) -> None:
    """An engine that is held up for moments: what the TAP could not queue is counted once it goes on."""
    host.put_on({"egress": {"latency": "1ms"}})
    count = 20_000
    before = lane(host).dropped_ring
    load = start([flow(host.subject, host.peer, count=count, interval_s=0.001, burst=10)], straggler_s=1)
    for _ in range(5):
        time.sleep(0.2)
        _hold_up(host, 0.1)
    records = load.collect()[0]
    wait_until(lambda: lane(host).dropped_ring > before, timeout_s=5, what="the count of what was lost")
    assert missing(records, count) == lane(host).dropped_ring - before


def _hold_up(host: AttachedHost, seconds: float) -> None:
    os.kill(host.engine.pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(host.engine.pid, signal.SIGCONT)


def test_the_connection_table_forgets_the_oldest(wire: Wire) -> None:
    """More flows than it holds: new ones are still judged and let in, and nothing is refused."""
    flows = wire.host.datapath.probe().flows
    wire.put_on({"security_profile": "restricted"})
    before = wire.counters("egress")
    macs = wire.peer.mac + wire.workload.mac
    frame = bytearray(macs + b"\x08\x00" + ip(4, WORKLOAD[4], PEER[4], UDP, udp(1, 1, b"")))
    for number in range(flows + 2000):
        struct.pack_into("!HH", frame, UDP_PORTS_AT, 1024 + number % 60000, 20000 + number // 60000)
        wire.workload.socket.send(frame)
    fresh = Flow(wire, "udp", 4, workload_port=5, peer_port=6)
    wire.drain()
    assert fresh.sends()
    assert fresh.gets(), "and its reply is known"
    after = wire.counters("egress")
    assert after.flows_created - before.flows_created == flows + 2001
    assert after.flows_refused == before.flows_refused


def test_the_bounds_of_the_header_are_those_reported(host: AttachedHost) -> None:
    found = host.datapath.probe()
    layout = _engine.layout()
    assert (found.attachments, found.slots) == (layout["NP_MAX_ATTACHMENTS"] - 1, layout["NP_MAX_SLOTS"] - 1)
    assert (found.flows, found.fragments) == (layout["NP_MAX_FLOWS"], layout["NP_MAX_FRAGMENTS"])
