from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from netpersona.datapath import SlotsFull
from netpersona.datapath.programs.slots import QUARANTINE_NS, SlotTable, Traffic


@dataclass
class World:
    now_ns: int = 0
    bound: set[int] = field(default_factory=set)
    sent: dict[tuple[int, int], int] = field(default_factory=dict)
    settled: dict[tuple[int, int], int] = field(default_factory=dict)

    def traffic(self) -> Traffic:
        return Traffic(self.now_ns, frozenset(self.bound), dict(self.sent), dict(self.settled))


def full(world: World) -> SlotTable:
    """Slots 1 and 2 hold a and b; there is no third. Both were looked at once."""
    table = SlotTable(3, world.traffic)
    assert [table.take("a"), table.take("b")] == [1, 2]
    with pytest.raises(SlotsFull):
        table.take("c")
    return table


def test_equal_digests_share_a_slot() -> None:
    table = SlotTable(3, World().traffic)
    assert table.find("a") is None
    slot = table.take("a")
    assert table.find("a") == slot
    assert slot != 0, "slot 0 is the null persona"


def test_a_slot_is_written_again_after_its_quarantine() -> None:
    world = World(bound={1})
    table = full(world)
    world.now_ns = QUARANTINE_NS - 1
    with pytest.raises(SlotsFull):
        table.take("c")
    world.now_ns = QUARANTINE_NS
    assert table.take("c") == 2
    assert table.find("b") is None


def test_a_bound_slot_is_never_written() -> None:
    world = World(bound={1, 2})
    table = full(world)
    world.now_ns = 100 * QUARANTINE_NS
    with pytest.raises(SlotsFull, match="NP_MAX_SLOTS"):
        table.take("c")


def test_a_slot_that_was_bound_again_starts_its_quarantine_anew() -> None:
    world = World(bound={1})
    table = full(world)
    world.bound, world.now_ns = {1, 2}, QUARANTINE_NS // 2
    with pytest.raises(SlotsFull):
        table.take("c")
    world.bound, world.now_ns = {1}, QUARANTINE_NS
    with pytest.raises(SlotsFull):
        table.take("c")
    world.now_ns = 2 * QUARANTINE_NS
    assert table.take("c") == 2


def test_finding_a_slot_saves_it_for_the_switch_that_follows() -> None:
    world = World(bound={1})
    table = full(world)
    world.now_ns = QUARANTINE_NS
    assert table.find("b") == 2
    with pytest.raises(SlotsFull):
        table.take("c")


def test_a_slot_waits_for_the_packets_that_the_engine_had_then() -> None:
    lane = (1, 0)
    world = World(bound={1}, sent={lane: 10}, settled={lane: 7})
    table = full(world)
    world.now_ns, world.sent[lane], world.settled[lane] = QUARANTINE_NS, 20, 9
    with pytest.raises(SlotsFull):
        table.take("c")
    world.settled[lane] = 10
    assert table.take("c") == 2


def test_an_adopted_slot_is_not_handed_out() -> None:
    table = SlotTable(3, World(bound={1, 2}).traffic)
    table.adopt(1, "a")
    assert table.find("a") == 1
    assert table.take("b") == 2
