"""netem beside us: the same settings and the same traffic, where the kernel has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lab.namespaces import Workload

LIMIT = ("limit", "100000")
"""Its default of 1,000 packets would be judged, not its delays."""


@contextmanager
def netem(workload: Workload, *options: str) -> Iterator[str | None]:
    """netem on what `workload` sends, for the length of the block; yields None, or why there is none."""
    device = ("dev", workload.interface, "root")
    made = workload.namespace.run("tc", "qdisc", "add", *device, "netem", *options, *LIMIT, check=False)
    if made.returncode != 0:
        said = made.stderr.strip().splitlines()
        yield said[-1] if said else f"tc ended with {made.returncode}"
        return
    try:
        yield None
    finally:
        workload.namespace.run("tc", "qdisc", "delete", *device)


def beside(said: str | None, measured: str) -> str:
    """What stands in the column of peers."""
    return f"netem {measured}" if said is None else f"no netem here: {said}"
