"""What a decision needs to remember: kept by who calls `decide`, as JSON."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from netpersona.kinds.base import Told

LONGEST_BLOCK_S: Final = 3600.0
FORGET_S: Final = 24 * 3600.0
"""After so long without another failure a candidate's failures are forgotten."""


class Trial(Told):
    """A switch that the guard has not judged yet."""

    persona: str | None
    before: str | None
    at_s: float
    was: float | None = None
    """Average of the guard's metric before the switch; None: not measured."""


class Block(Told):
    """A candidate that made it worse, and may not be put on again before `until_s`."""

    until_s: float
    failures: int = 1


class State(Told):
    """Empty when adaptation begins. Moments are seconds since the epoch."""

    switches: tuple[float, ...] = ()
    """Moments of switches, those back included, as far as the cap reaches."""
    trial: Trial | None = None
    blocks: dict[str, Block] = Field(default_factory=dict)

    def as_of(self, now_s: float, worn: str | None, cap_s: float) -> State:
        """Without what no longer matters. A clock that was set back makes all of it happen now."""
        switches = tuple(min(at_s, now_s) for at_s in self.switches if now_s - at_s < cap_s)
        trial = self.trial if self.trial and self.trial.persona == worn else None
        trial = trial and trial.model_copy(update={"at_s": min(trial.at_s, now_s)})
        kept = {name: b for name, b in self.blocks.items() if now_s - b.until_s < FORGET_S}
        blocks = {
            name: b.model_copy(update={"until_s": min(b.until_s, now_s + LONGEST_BLOCK_S)})
            for name, b in kept.items()
        }
        return State(switches=switches, trial=trial, blocks=blocks)

    def switched(self, now_s: float, trial: Trial | None) -> State:
        return self.model_copy(update={"switches": (*self.switches, now_s), "trial": trial})

    def blocked(self, name: str, now_s: float, block_s: float) -> State:
        """Twice as long as the time before."""
        failures = self.blocks[name].failures + 1 if name in self.blocks else 1
        length_s = min(block_s * 2.0 ** (failures - 1), LONGEST_BLOCK_S)
        block = Block(until_s=now_s + length_s, failures=failures)
        return self.model_copy(update={"blocks": {**self.blocks, name: block}})

    def judged(self, name: str | None, *, is_proven: bool) -> State:
        """No trial any longer; the failures of a candidate that made nothing worse are forgotten."""
        blocks = {other: block for other, block in self.blocks.items() if other != name or not is_proven}
        return self.model_copy(update={"trial": None, "blocks": blocks})

    def is_blocked(self, name: str, now_s: float) -> bool:
        return name in self.blocks and now_s < self.blocks[name].until_s
