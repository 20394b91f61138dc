"""The laboratory: real namespaces and real traffic for the demo, the benchmark and the tests.

Not part of the product, and not installed with it.
"""

from __future__ import annotations

import signal
import sys


def end_on_sigterm() -> None:
    """SIGTERM unwinds as Ctrl-C does, so that what a program of the lab made is removed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
