"""The engine's heart, for who only watches: reads the pinned maps and touches nothing."""

from __future__ import annotations

from pathlib import Path

from netpersona import _engine
from netpersona.datapath.errors import refusals
from netpersona.datapath.programs.kernel import pins_path
from netpersona.datapath.programs.records import engine_stats


class Pulse:
    """Raises DatapathError where there are no pins that can be read."""

    def __init__(self, run_dir: Path) -> None:
        with refusals("read the pinned maps"):
            self._kernel = _engine.load(pins_path(run_dir))

    def beats(self) -> bool:
        """Whether an engine has beaten within the last 150 ms."""
        return engine_stats(self._kernel.engine(), _engine.now_ns()).alive
