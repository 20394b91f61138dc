from __future__ import annotations

import asyncio

from netpersona.control.watch.hub import Hub


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


def test_what_is_taken_directly_keeps_its_order_with_what_waits() -> None:
    async def story() -> list[str]:
        hub: Hub[int] = Hub()
        subscription = hub.subscribe("t")
        heard: list[str] = []
        open_ = True

        def direct(item: int) -> bool:
            if open_:
                heard.append(f"{item} at once")
            return open_

        subscription.direct = direct
        hub.publish("t", 1)  # nobody waits for it yet
        heard += [str(item) for item in await subscription.take()]
        taking = asyncio.create_task(subscription.take())
        await asyncio.sleep(0)
        hub.publish("t", 2)
        open_ = False
        hub.publish("t", 3)
        open_ = True
        hub.publish("t", 4)  # behind 3, which waits
        heard += [str(item) for item in await taking]
        hub.publish("t", 5)  # the reader still has to pass on what it took
        heard += [str(item) for item in await subscription.take()]
        return heard

    assert asyncio.run(story()) == ["1", "2 at once", "3", "4", "5"]
