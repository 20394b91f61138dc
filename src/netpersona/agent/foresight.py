"""Compiles personas before they are assigned: some take ten milliseconds, a switch should take one."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from netpersona.agent.backoff import Backoff
from netpersona.agent.manager_client import Manager, ManagerRefused, ManagerUnreachable
from netpersona.agent.wardrobe import Wardrobe
from netpersona.kinds.persona import PersonaError, presets, to_mapping

_log = structlog.get_logger(__name__)


async def foresee(manager: Manager, wardrobe: Wardrobe, backoff: Backoff) -> None:
    """Presets first, then every persona of the manager as it is created or replaced. Never returns."""
    for preset in presets().values():
        await _compile(wardrobe, to_mapping(preset))
    while True:
        try:
            async for event in manager.watch("personas"):
                if event.type in ("ADDED", "MODIFIED"):
                    await _compile(wardrobe, event.object["spec"])
                    backoff.reset()
        except (ManagerUnreachable, ManagerRefused):
            await asyncio.sleep(backoff.next())  # the follower says so already


async def _compile(wardrobe: Wardrobe, persona: Mapping[str, Any]) -> None:
    try:
        await asyncio.to_thread(wardrobe.foresee, persona)
    except PersonaError as error:
        _log.warning("this agent cannot compile a persona", error=str(error))
