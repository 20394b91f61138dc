"""What an interface has: settings by flat key, and bounds. Read by the agent, and told to the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from netpersona.kinds.base import Told
from netpersona.kinds.hardware.asked import Value

Settings = Mapping[str, Value]
"""`coalesce/rx_usecs`, `queue/0/coalesce/rx_usecs`, `rings/rx`, `channels/combined`, `features/NAME` (as
requested: what is in effect may depend on others), `txqueuelen`, `rss/table`, `rss/key`, `ntuple/NUMBER`.
What has no key cannot be set on that interface."""


class Capabilities(Told):
    """What bounds the settings of one interface."""

    driver: str = ""
    maxima: dict[str, int] = Field(default_factory=dict, description="Of rings and channels, by key")
    queues: int = Field(1, description="Receive queues that the interface has now")
    per_queue: bool = Field(False, description="Whether interrupts are coalesced for each queue by itself")
    ntuple: int = Field(0, description="Rules that its steering table holds; 0: it has none")
    rss: int = Field(0, description="Entries of its table of receive queues; 0: it has none")


class HardwareReport(Told):
    """An interface as the agent saw it, and what of it is due to a persona."""

    capabilities: Capabilities = Capabilities()
    settings: dict[str, int | bool | str | None] = Field(
        default_factory=dict, description="By key; offloads are in on and off"
    )
    on: tuple[str, ...] = Field((), description="Offloads that are requested, of those that can be changed")
    off: tuple[str, ...] = ()
    saved: dict[str, int | bool | str | None] = Field(
        default_factory=dict,
        description="What keys that a persona set had before the first one; they go back to it",
    )
    drift: tuple[str, ...] = Field((), description="Set by others since a persona set them, which is left so")

    @property
    def all_settings(self) -> Settings:
        offloads = {**dict.fromkeys(self.on, True), **dict.fromkeys(self.off, False)}
        return {**self.settings, **{f"features/{name}": value for name, value in offloads.items()}}


def report_document(
    capabilities: Capabilities, settings: Settings, saved: Settings, drift: tuple[str, ...]
) -> dict[str, Any]:
    """What `HardwareReport` reads; offloads take a list of names each, for there are dozens."""
    names = {key.removeprefix("features/"): value for key, value in settings.items() if _is_feature(key)}
    return {
        "capabilities": capabilities.model_dump(),
        "settings": {key: value for key, value in settings.items() if not _is_feature(key)},
        "on": [name for name, value in names.items() if value],
        "off": [name for name, value in names.items() if not value],
        "saved": dict(saved),
        "drift": list(drift),
    }


def _is_feature(key: str) -> bool:
    return key.startswith("features/")
