"""How long to wait before the next attempt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Backoff:
    """Exponential delays with full jitter, so that agents do not come back in step.

    `uniform(a, b)` is the source of randomness (seconds), passed in so that tests can fix it.
    """

    uniform: Callable[[float, float], float]
    first_s: float = 0.1
    limit_s: float = 10.0
    attempt: int = 0

    def next(self) -> float:
        """Seconds to wait; the ceiling doubles each time up to `limit_s`."""
        ceiling = min(self.limit_s, self.first_s * 2.0 ** min(self.attempt, 32))
        self.attempt += 1
        return self.uniform(ceiling / 2, ceiling)

    def reset(self) -> None:
        """Start over after a success."""
        self.attempt = 0
