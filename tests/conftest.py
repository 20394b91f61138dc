"""What every test needs of its process."""

from __future__ import annotations

import signal

# A shell starts background jobs with SIGINT ignored, and what is ignored stays so across exec:
# the commands that a test interrupts would not hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)
