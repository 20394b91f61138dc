"""What a persona asks, held against what an interface has: what to set, what acts elsewhere, what not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from netpersona.kinds.errors import Problem
from netpersona.kinds.hardware import offloads, rss
from netpersona.kinds.hardware.asked import Ask, Hardware, Value
from netpersona.kinds.hardware.interface import Capabilities, Settings
from netpersona.kinds.hardware.steering import Steer, conflicts, parse

Where = Literal["hardware", "data path", "nowhere"]
Goal = dict[str, tuple[Value, str]]
"""Value and pointer by key."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a part of a persona acts on an interface, or why it cannot."""

    pointer: str
    where: Where
    text: str


_PARTS = {
    "txqueuelen": "queue of the interface",
    "channels": "channels that can be set",
    "rings": "rings",
    "coalesce": "coalescing of interrupts",
    "rss": "table that spreads flows over receive queues",
}


def resolve(
    wanted: Hardware, current: Settings, capabilities: Capabilities, owned: frozenset[str] = frozenset()
) -> tuple[Goal, list[Placement], list[Problem]]:
    """`owned` are keys that personas set before, among them the places of our n-tuple rules."""
    resolution = _Resolution(wanted, current, capabilities, owned)
    for ask in wanted.asks:
        resolution.take(ask)
    resolution.steer()
    return resolution.goal, resolution.places, resolution.refusals


@dataclass
class _Resolution:
    wanted: Hardware
    current: Settings
    capabilities: Capabilities
    owned: frozenset[str]
    goal: Goal = field(default_factory=dict)
    places: list[Placement] = field(default_factory=list)
    refusals: list[Problem] = field(default_factory=list)

    def take(self, ask: Ask) -> None:
        group, _, name = ask.key.partition("/")
        by_group: dict[str, Callable[[Ask, str], None]] = {
            "queue": self._of_queue,
            "offloads": self._offload,
            "rss": self._rss,
        }
        by_group.get(group, self._plain)(ask, name)

    @property
    def queues(self) -> int:
        """Receive queues, once the channels are as wanted."""
        asked = {ask.key: ask.value for ask in self.wanted.asks if ask.key in self.current}
        counts = [
            asked.get(f"channels/{key}", self.current.get(f"channels/{key}")) for key in ("rx", "combined")
        ]
        return sum(count for count in counts if isinstance(count, int)) or self.capabilities.queues

    def _here(self, ask: Ask, key: str, value: Value, text: str) -> None:
        self.goal[key] = (value, ask.pointer)
        self.places.append(Placement(ask.pointer, "hardware", text))

    def _nowhere(self, ask: Ask, reason: str) -> None:
        self.places.append(Placement(ask.pointer, "nowhere", reason))

    def _refuse(self, pointer: str, message: str, remedy: str) -> None:
        self.refusals.append(Problem(message, remedy, pointer))

    @property
    def _driver(self) -> str:
        return f"driver {self.capabilities.driver or 'unknown'}"

    def _plain(self, ask: Ask, _: str) -> None:
        """A setting of the whole interface."""
        most = self.capabilities.maxima.get(ask.key)
        if ask.key not in self.current:
            self._nowhere(ask, self._lacks(ask.key))
        elif most is not None and isinstance(ask.value, int) and ask.value > most:
            what = ask.key.replace("/", " ")
            self._refuse(
                ask.pointer, f"{what} {ask.value} is over the maximum of {most}", f"write {most} or less"
            )
        else:
            self._here(ask, ask.key, ask.value, f"{ask.key} of the interface ({self._driver})")

    def _lacks(self, key: str) -> str:
        group, _, name = key.partition("/")
        others = sorted(one.partition("/")[2] for one in self.current if one.startswith(f"{group}/"))
        if not others:
            return f"{self._driver} has no {_PARTS[group]}"
        return f"{self._driver} has no {name} of {group}, only {', '.join(others)}"

    def _of_queue(self, ask: Ask, name: str) -> None:
        number, _, key = name.partition("/")
        if not self.capabilities.per_queue:
            self._shared(ask, key)
        elif int(number) >= self.queues:
            self._refuse(
                ask.pointer,
                f"the interface has no queue {number}, it has {self.queues}",
                f"write a queue_id of 0 to {self.queues - 1}",
            )
        elif f"queue/0/{key}" not in self.current:
            self._nowhere(ask, self._lacks(key))
        else:
            self._here(ask, ask.key, ask.value, f"hardware queue {number} ({self._driver})")

    def _shared(self, ask: Ask, key: str) -> None:
        """One setting for all queues: it is set if all that speak of it agree."""
        values = {one.value for one in self.wanted.asks if one.key == key or _is_of_queue(one.key, key)}
        if key not in self.current:
            self._nowhere(ask, self._lacks(key))
        elif len(values) > 1:
            self._nowhere(
                ask,
                f"{self._driver} has one {key} for all queues, and this persona gives them different ones",
            )
        else:
            self._here(ask, key, ask.value, f"{key} of all queues: {self._driver} has one setting for them")

    def _offload(self, ask: Ask, name: str) -> None:
        has = frozenset(key.removeprefix("features/") for key in self.current if key.startswith("features/"))
        found = offloads.expanded(name, has)
        for one in found:
            self.goal[f"features/{one}"] = (ask.value, ask.pointer)
        if found:
            self.places.append(Placement(ask.pointer, "hardware", f"{', '.join(found)} ({self._driver})"))
        elif offloads.is_known(name):
            self._nowhere(ask, f"{self._driver} does not let {name} be changed")
        else:
            near = offloads.nearest(name)
            remedy = f"did you mean {near}?" if near else "`ethtool -k` lists those there are"
            self._refuse(ask.pointer, f"there is no offload {name}", remedy)

    def _rss(self, ask: Ask, name: str) -> None:
        entries = self.capabilities.rss
        if not entries:
            self._nowhere(ask, self._lacks("rss"))
        elif name == "key":
            size = len(str(self.current.get("rss/key") or "")) // 2
            if len(str(ask.value)) != 2 * size:
                self._refuse(
                    ask.pointer, f"the hash key of this interface has {size} bytes", f"write {size} bytes"
                )
            else:
                self._here(ask, "rss/key", ask.value, f"hash key ({self._driver})")
        else:
            spread = rss.weights(name, ask.value)
            if len(spread) > self.queues:
                self._refuse(
                    ask.pointer,
                    f"the interface has {self.queues} receive queues",
                    f"name {self.queues} or fewer",
                )
            else:
                self._here(
                    ask, "rss/table", rss.table(spread, entries), f"{entries} entries ({self._driver})"
                )

    # ---- n-tuple rules ---------------------------------------------------------------------------

    def steer(self) -> None:
        """Rules of queues: into hardware queues where there are some to choose from, else the data path's."""
        if self.capabilities.ntuple and self.queues > 1:
            self._steer_in_hardware()
        for number, pointer in self.wanted.queues:
            text = f"queue {number} of the data path: rules, priority, length"
            self.places.append(Placement(pointer, "data path", text))

    def _steer_in_hardware(self) -> None:
        fitting: dict[Steer, str] = {}
        for one in self.wanted.steering:
            if one.steer is None:
                self.places.append(
                    Placement(one.pointer, "data path", f"not steered by hardware: {one.unfit}")
                )
            elif one.queue >= self.queues:
                self._refuse(
                    one.pointer,
                    f"the interface has no queue {one.queue} to steer into, it has {self.queues}",
                    f"write a queue_id of 0 to {self.queues - 1}",
                )
            else:
                fitting.setdefault(one.steer, one.pointer)
        self._place_rules(fitting)

    def _place_rules(self, fitting: dict[Steer, str]) -> None:
        present = {
            key: str(value) for key, value in self.current.items() if key.startswith("ntuple/") and value
        }
        foreign = [rule for key, text in present.items() if key not in self.owned if (rule := parse(text))]
        for one, other in conflicts([*fitting, *foreign]):
            pointer = fitting.get(other) or fitting.get(one)
            if pointer is not None:
                self._refuse(
                    pointer,
                    f"{one} and {other} overlap, and hardware may obey either",
                    "make them exclude each other, or send both to one queue",
                )
        ours = {text: key for key, text in present.items() if key in self.owned}
        kept = {ours[str(steer)] for steer in fitting if str(steer) in ours}
        free = self._free(set(present) - set(ours.values()) | kept)
        for steer, pointer in fitting.items():
            place = ours.get(str(steer)) or next(free, None)
            if place is None:
                self._refuse(
                    pointer, f"the steering table holds {self.capabilities.ntuple} rules", "steer fewer flows"
                )
                return
            self.goal[place] = (str(steer), pointer)
            self.places.append(Placement(pointer, "hardware", f"{steer}, n-tuple rule {place[7:]}"))

    def _free(self, taken: set[str]) -> Iterator[str]:
        return (key for number in range(self.capabilities.ntuple) if (key := f"ntuple/{number}") not in taken)


def _is_of_queue(key: str, name: str) -> bool:
    return key.startswith("queue/") and key.split("/", 2)[2] == name
