"""What a persona asks of an interface's hardware, as flat keys. Says nothing of what an interface has.

Keys: `coalesce/rx_usecs`, `queue/0/coalesce/rx_usecs`, `rings/rx`, `channels/combined`, `offloads/NAME`,
`txqueuelen`, `rss/equal`, `rss/weights`, `rss/key`. rx and tx are the interface's, as ethtool(8) has them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from netpersona.kinds.hardware.steering import Steer

Value = int | bool | str | None
"""Of a setting; None: there is no such thing, as an n-tuple rule that is not there."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One value that is wanted. `pointer` is where the persona says so (JSON pointer)."""

    key: str
    value: Value
    pointer: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Steered:
    """A rule that hardware may steer into the queue of that number; `unfit` says why it cannot."""

    steer: Steer | None
    queue: int
    pointer: str = field(default="", compare=False)
    unfit: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Hardware:
    """Equal where the same is asked, wherever in a document it stands. False where nothing is."""

    asks: tuple[Ask, ...] = ()
    steering: tuple[Steered, ...] = ()
    queues: tuple[tuple[int, str], ...] = field(default=(), compare=False)
    """Number and pointer of each queue, which the data path serves whatever the hardware."""

    def __bool__(self) -> bool:
        return bool(self.asks or self.steering)


NOTHING_ASKED = Hardware()
