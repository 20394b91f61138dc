from __future__ import annotations

from typing import TYPE_CHECKING

import netpersona.datapath
from netpersona.datapath import Endpoint, Facing
from netpersona.datapath.programs.records import engine_stats

if TYPE_CHECKING:
    from netpersona._engine import EngineRecord


def test_the_public_names_are_sorted_and_there() -> None:
    names = netpersona.datapath.__all__
    assert sorted(names) == sorted(set(names))
    assert all(hasattr(netpersona.datapath, name) for name in names)


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
