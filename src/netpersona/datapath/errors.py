"""What can go wrong on the way to the kernel.

DatapathError
├── NeedsRoot              not permitted: the agent must be root
├── KernelRefused          the kernel did not take something; carries what it said
├── Incompatible           pinned by a version with another memory layout
├── EndpointMissing        there is no such namespace or interface (now)
├── EndpointUnsupported    there is, but its host side cannot be reached from here
├── NotAttached            no such attachment
├── HardwareRefused        settings of an interface that it does not take; it is as it was
├── Busy                   another agent works on the same run directory
└── BoundReached           a documented bound; `bound` names it
    ├── AttachmentsFull
    └── SlotsFull
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager


class DatapathError(Exception):
    """Base of all errors of this package. The text says what to do next."""


class NeedsRoot(DatapathError):
    pass


class KernelRefused(DatapathError):
    pass


class Incompatible(DatapathError):
    pass


class EndpointMissing(DatapathError):
    pass


class EndpointUnsupported(DatapathError):
    pass


class NotAttached(DatapathError):
    pass


class HardwareRefused(DatapathError):
    pass


class Busy(DatapathError):
    pass


class BoundReached(DatapathError):
    bound: str


class AttachmentsFull(BoundReached):
    bound = "NP_MAX_ATTACHMENTS"


class SlotsFull(BoundReached):
    bound = "NP_MAX_SLOTS"


@contextmanager
def refusals(doing: str) -> Iterator[None]:
    """Turns what the kernel says in the block into errors of ours; `doing` completes "cannot …"."""
    try:
        yield
    except DatapathError:
        raise
    except (OSError, RuntimeError) as error:
        code = getattr(error, "errno", None) or getattr(error, "code", None)
        if code in (errno.EPERM, errno.EACCES):
            raise NeedsRoot(f"cannot {doing}: not permitted; run as root") from error
        if code in (errno.ENODEV, errno.ENXIO):
            raise EndpointMissing(f"cannot {doing}: the interface is gone") from error
        raise KernelRefused(f"cannot {doing}: {error}") from error
