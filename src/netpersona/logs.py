"""How manager and agent log: key=value lines on stderr, of printable characters only."""

from __future__ import annotations

import io
import logging
import os
import sys
from contextlib import suppress
from typing import Final, TextIO, cast

import structlog
from structlog.typing import EventDict, WrappedLogger

from netpersona.kinds.shown import brief

VALUE_BOUND: Final = 1000
"""Characters of one value."""
TRACE_BOUND: Final = 20_000
"""Characters of a traceback."""
_TRACE: Final = "exception"


class Stderr(io.TextIOBase):
    """Where a log on a full disk loses lines: that must not end who writes them."""

    def write(self, text: str) -> int:
        with suppress(OSError):
            os.write(2, text.encode("utf-8", "backslashreplace"))
        return len(text)


def set_up(level: int = logging.INFO) -> None:
    """Of libraries, warnings are logged in the same form."""
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
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, Stderr())),
    )


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """A path with an escape sequence must not reach the terminal of who reads the log, nor begin a line."""
    return {
        key: brief(value, TRACE_BOUND if key == _TRACE else VALUE_BOUND) if isinstance(value, str) else value
        for key, value in event.items()
    }
