from __future__ import annotations

import asyncio

from netpersona.control.hub import Hub


def test_listeners_get_what_is_published_after_what_is_replayed() -> None:
    async def story() -> list[int]:
        hub: Hub[int] = Hub()
        subscription = hub.subscribe("t", [1, 2])
        hub.publish("t", 3)
        hub.publish("other", 4)
        return await subscription.take()

    assert asyncio.run(story()) == [1, 2, 3]


def test_a_listener_that_lags_too_far_is_cut_off_and_the_others_are_not() -> None:
    async def story() -> None:
        hub: Hub[int] = Hub(backlog=2)
        slow, quick = hub.subscribe("t"), hub.subscribe("t")
        for number in range(3):
            hub.publish("t", number)
            assert await quick.take() == [number]
        assert slow.overflowed
        assert await slow.take() == [0, 1]
        assert await slow.take() == []
        assert hub.count("t") == 1

    asyncio.run(story())


def test_closing_the_hub_ends_a_listener_that_waits() -> None:
    async def story() -> list[int]:
        hub: Hub[int] = Hub()
        taking = asyncio.create_task(hub.subscribe("t").take())
        await asyncio.sleep(0)
        hub.close()
        return await taking

    assert asyncio.run(story()) == []
