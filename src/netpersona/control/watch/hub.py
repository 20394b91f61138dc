"""Fan-out of events to watchers, in one event loop and without a thread hop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

BACKLOG = 8192
"""Events that a watcher may lag behind; one that lags more is cut off and resumes by revision."""


class Subscription(Generic[T]):
    """An async iterator of events. It ends when the hub closes or when the reader lagged too far."""

    def __init__(self, leave: Callable[[Subscription[T]], None], replay: Iterable[T], backlog: int) -> None:
        self._items: deque[T] = deque(replay)
        self._backlog = len(self._items) + backlog
        self._leave = leave
        self._ready = asyncio.Event()
        self._waits = False
        self.direct: Callable[[T], bool] | None = None
        """Takes an item at once while the reader waits for one; False where it cannot just now."""
        self.closed = False
        self.overflowed = False
        if self._items:
            self._ready.set()

    def offer(self, item: T) -> None:
        if self._waits and not self._items and self.direct is not None and self.direct(item):
            return
        if len(self._items) >= self._backlog:
            self.overflowed = True
            self.close()
            return
        self._items.append(item)
        self._ready.set()

    def close(self) -> None:
        """Idempotent. What was offered before is still delivered."""
        self.closed = True
        self._leave(self)
        self._ready.set()

    async def take(self) -> list[T]:
        """All that waits, at least one item; empty once the subscription ended."""
        while not self._items and not self.closed:
            self._ready.clear()
            self._waits = True
            try:
                await self._ready.wait()
            finally:
                self._waits = False
        return self.take_now()

    def take_now(self) -> list[T]:
        """All that waits, maybe nothing."""
        taken = list(self._items)
        self._items.clear()
        return taken


class Hub(Generic[T]):
    """Who listens to what. ``publish`` never blocks and never raises for a slow listener."""

    def __init__(self, backlog: int = BACKLOG) -> None:
        self._listeners: dict[str, set[Subscription[T]]] = {}
        self._backlog = backlog
        self.closed = False

    def subscribe(self, topic: str, replay: Iterable[T] = ()) -> Subscription[T]:
        listeners = self._listeners.setdefault(topic, set())
        subscription = Subscription(listeners.discard, replay, self._backlog)
        listeners.add(subscription)
        if self.closed:
            subscription.close()
        return subscription

    def publish(self, topic: str, item: T) -> None:
        for subscription in tuple(self._listeners.get(topic, ())):
            subscription.offer(item)

    def count(self, topic: str) -> int:
        return len(self._listeners.get(topic, ()))

    def count_all(self, prefix: str) -> int:
        return sum(len(found) for topic, found in self._listeners.items() if topic.startswith(prefix))

    def close(self) -> None:
        self.closed = True
        for listeners in self._listeners.values():
            for subscription in tuple(listeners):
                subscription.close()
