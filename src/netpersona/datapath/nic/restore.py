"""Giving interfaces back without an agent, as `netpersona down` does."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from netpersona.datapath.driver import Wanted
from netpersona.datapath.errors import DatapathError, refusals
from netpersona.datapath.nic.driver import NicDriver
from netpersona.datapath.nic.ethtool import Ethtool
from netpersona.datapath.nic.saved import Records
from netpersona.datapath.processes import boot_id


def restore_interfaces(directory: Path) -> None:
    """What personas changed is as it was before the first. `directory` is the agent's, which must have ended.

    Raises:
        DatapathError: of the interfaces that did not go back; the others did. It may be called again.
    """
    if not directory.is_dir():
        return
    problems = []
    with refusals("give interfaces their settings back"), closing(Ethtool()) as ethtool:
        driver = NicDriver(ethtool, Records(directory, boot_id()))
        for change in driver.plan(driver.observe(), Wanted({}, complete=True)):
            try:
                driver.apply(change)
            except DatapathError as error:
                problems.append(f"interface {change.ifindex}: {error}")
    if problems:
        raise DatapathError("; ".join(problems))
