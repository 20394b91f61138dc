"""Moments (RFC 3339, UTC) as a person reads them. The present is passed in."""

from __future__ import annotations

from datetime import UTC, datetime


def age(moment: str, now: datetime) -> str:
    """How long ago a moment was."""
    return f"{span((now - datetime.fromisoformat(moment)).total_seconds())} ago"


def left(moment: str | None, now: datetime) -> str:
    """How long until a moment; "-" for never."""
    return f"in {span((datetime.fromisoformat(moment) - now).total_seconds())}" if moment else "-"


def span(seconds: float) -> str:
    """A length of time in the largest unit that keeps two digits: 95s, 12min, 30h, 9d."""
    whole = max(0, round(seconds))
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if whole >= 2 * length:
            return f"{whole // length}{unit}"
    return f"{whole}s"


def dated(moment: str, now: datetime) -> str:
    """A moment to the second, and how long ago."""
    utc = datetime.fromisoformat(moment).astimezone(UTC)
    return f"{utc:%Y-%m-%d %H:%M:%S} UTC, {age(moment, now)}"
