"""Logs on stderr, key=value; uvicorn's warnings in the same form."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger


def set_up(level: int = logging.INFO) -> None:
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.WARNING,
        format="level=%(levelname)s logger=%(name)s event=%(message)r",
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _printable,
            structlog.processors.LogfmtRenderer(
                key_order=["timestamp", "level", "event"], bool_as_flag=False
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A path with an escape sequence must not reach the terminal of who reads the log."""
    return {key: _escaped(value) if isinstance(value, str) else value for key, value in event.items()}


def _escaped(text: str) -> str:
    return text if text.isprintable() else text.encode("unicode_escape").decode()
