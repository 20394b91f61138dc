from __future__ import annotations

from typing import TYPE_CHECKING

import netpersona.datapath
from netpersona.datapath import Binding, Datapath, Endpoint, Facing, FakeDatapath
from netpersona.datapath.records import engine_stats
from netpersona.kinds.persona import compile_persona, from_mapping

if TYPE_CHECKING:
    from netpersona._engine import EngineRecord


def test_the_public_names_are_sorted_and_there() -> None:
    names = netpersona.datapath.__all__
    assert sorted(names) == sorted(set(names))
    assert all(hasattr(netpersona.datapath, name) for name in names)


def test_a_lease_that_is_over_leaves_the_fallback_in_force() -> None:
    binding = Binding(generation=2, slot=5, expires_ns=100, fallback_slot=3)
    assert [binding.slot_at(99), binding.slot_at(100)] == [5, 3]
    assert Binding(generation=2, slot=5, expires_ns=0, fallback_slot=3).slot_at(100) == 5


def test_facings_have_the_numbers_of_the_kernel() -> None:
    assert (Facing.WORKLOAD.number, Facing.NETWORK.number) == (0, 1)
    assert Endpoint("eth0", 2, Facing.WORKLOAD).faced("network").facing is Facing.NETWORK


def test_an_engine_is_alive_while_it_beats() -> None:
    record: EngineRecord = {
        "started_ns": 1, "wakeups": 0, "reads": 0, "writes": 0, "dropped_memory": 0, "unknown_frames": 0,
        "held_bytes": 0, "held_bytes_limit": 0, "lateness": [], "heartbeat_ns": 1000, "tap_ifindex": 1,
    }  # fmt: skip
    assert engine_stats(record, 150_001_000).alive
    assert not engine_stats(record, 150_001_001).alive
    never = engine_stats({**record, "heartbeat_ns": 0}, 5)
    assert (never.alive, never.heartbeat_age_ns) == (False, None)


def test_the_fake_behaves_like_the_kernel_where_its_users_look() -> None:
    fake: Datapath = FakeDatapath({"w0": 5})
    attachment = fake.attach("w0", Facing.WORKLOAD)
    assert fake.attach("w0", Facing.WORKLOAD) == attachment
    persona = compile_persona(from_mapping({"persona_id": "x"}))
    slot = fake.install(persona)
    assert fake.install(persona) == slot
    assert fake.switch(attachment, slot, expires_ns=9) == 2
    assert fake.binding(attachment) == Binding(2, slot, 9, 0)
    assert fake.generations()[attachment] == 2
    fake.detach(attachment)
    fake.detach(attachment)
    assert fake.attached() == []
