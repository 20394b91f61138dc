"""An ethtool in memory, for tests: a NIC with all that there is, as no emulator has one.

Its rules are those of the kernel and of drivers: what has a maximum refuses more, a table names no queue that
is not there, two steering rules have not one place, channels take their queues with them.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from netpersona.datapath.nic.ethtool import Nic
from netpersona.kinds.hardware import Capabilities, Value
from netpersona.kinds.hardware.rss import entries_of
from netpersona.kinds.hardware.steering import parse

ENTRIES, PLACES, KEY_BYTES = 128, 16, 40


def six() -> Nic:
    """A NIC of four queues that can do everything."""
    return Nic("nic0", "02:00:00:00:00:06", _settings(), _capabilities())


def _settings() -> dict[str, Value]:
    queue = {"rx_usecs": 3, "rx_frames": 0, "tx_usecs": 3, "tx_frames": 0, "adaptive_rx": True}
    return {
        **{f"coalesce/{name}": value for name, value in queue.items()},
        **{f"queue/{number}/coalesce/{name}": value for number in range(4) for name, value in queue.items()},
        "rings/rx": 256,
        "rings/tx": 256,
        "channels/combined": 4,
        "features/tx-tcp-segmentation": True,
        "features/tx-tcp6-segmentation": True,
        "features/rx-gro": True,
        "features/rx-lro": False,
        "features/rx-ntuple-filter": True,
        "txqueuelen": 1000,
        "rss/table": "equal 4",
        "rss/key": "6d" * KEY_BYTES,
    }


def _capabilities() -> Capabilities:
    maxima = {"rings/rx": 4096, "rings/tx": 4096, "channels/combined": 8}
    return Capabilities(driver="six", maxima=maxima, queues=4, per_queue=True, ntuple=PLACES, rss=ENTRIES)


@dataclass
class FakeEthtool:
    """`nics` by ifindex is the world; `calls` are the steps that were set, in order.

    `cut_at` counts the moments before and after each call: there, and ever after, it refuses, as if its agent
    had been killed. `refused` are steps that the driver refuses, `rounds` what it makes of values.
    """

    nics: dict[int, Nic]
    calls: list[tuple[int, str]] = field(default_factory=list)
    cut_at: int | None = None
    refused: set[str] = field(default_factory=set)
    rounds: dict[str, Callable[[Value], Value]] = field(default_factory=dict)
    edited: set[int] | None = field(default_factory=set)

    def read(self, ifindex: int) -> Nic | None:
        self._moment()
        nic = self.nics.get(ifindex)
        return None if nic is None else Nic(nic.name, nic.address, dict(nic.settings), nic.capabilities)

    def put(self, ifindex: int, step: str, values: Mapping[str, Value]) -> None:
        self._moment()
        if ifindex not in self.nics:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        if step in self.refused:
            raise OSError(errno.EINVAL, f"the driver refuses {step}")
        self.edit(ifindex, {key: self._rounded(key, value) for key, value in values.items()})
        self.calls.append((ifindex, step))
        self._moment()

    def _rounded(self, key: str, value: Value) -> Value:
        return self.rounds[key](value) if key in self.rounds else value

    def changed(self) -> set[int] | None:
        edited, self.edited = self.edited, set()
        return edited

    def edit(self, ifindex: int, values: Mapping[str, Value]) -> None:
        """As somebody else does with ethtool(8)."""
        nic = self.nics[ifindex]
        settings = {**nic.settings, **values}
        for key in [key for key, value in settings.items() if key.startswith("ntuple/") and value is None]:
            del settings[key]
        _check(settings, nic.capabilities)
        queues = int(settings.get("channels/combined") or 1)
        capabilities = nic.capabilities.model_copy(update={"queues": queues})
        self.nics[ifindex] = Nic(nic.name, nic.address, _with_queues(settings, queues), capabilities)
        if self.edited is not None:
            self.edited.add(ifindex)

    def _moment(self) -> None:
        if self.cut_at is not None:
            if self.cut_at <= 0:
                raise OSError(errno.EIO, "as if killed")
            self.cut_at -= 1


def _check(settings: Mapping[str, Value], capabilities: Capabilities) -> None:
    queues = int(settings.get("channels/combined") or 1)
    for key, most in capabilities.maxima.items():
        if not 0 < int(settings[key] or 0) <= most:
            raise OSError(errno.EINVAL, f"requested {key} exceeds maximum")  # net/ethtool/rings.c, channels.c
    table = entries_of(str(settings.get("rss/table", "equal 1")), ENTRIES)
    if max(table) >= queues:  # ethtool_check_max_channel
        raise OSError(errno.EINVAL, "requested channel counts are too low for existing indirection table")
    for key, value in settings.items():
        steer = parse(str(value)) if key.startswith("ntuple/") else None
        if steer is not None and (steer.queue >= queues or int(key[7:]) >= capabilities.ntuple):
            raise OSError(errno.EINVAL, "there is no such queue or place")
    if not settings.get("features/rx-ntuple-filter", True) and any(
        key.startswith("ntuple/") for key in settings
    ):
        raise OSError(errno.EOPNOTSUPP, "n-tuple filters are off")


def _with_queues(settings: Mapping[str, Value], queues: int) -> dict[str, Value]:
    """New channels begin as the whole NIC is set."""
    usual = {key: value for key, value in settings.items() if key.startswith("coalesce/")}
    kept = {
        key: value
        for key, value in settings.items()
        if not key.startswith("queue/") or int(key.split("/")[1]) < queues
    }
    if not any(key.startswith("queue/") for key in settings):
        return dict(kept)
    new = {f"queue/{number}/{key}": value for number in range(queues) for key, value in usual.items()}
    return {**new, **kept}
