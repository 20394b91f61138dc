"""What interfaces had before the first persona, on disk before anything is changed. Files of ours alone.

A file an interface, by ifindex. It is written aside, synced and renamed, so it is whole or not there. What it
says is believed of the interface that it was written of, which boot, driver, address and name must bear out.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, StrictBool, StrictInt, StrictStr, ValidationError

from netpersona.datapath.nic.ethtool import Nic

MOST_BYTES = 1 << 20
_log = structlog.get_logger(__name__)
_Value = StrictBool | StrictInt | StrictStr | None


def hardware_path(state_dir: Path) -> Path:
    """Where they are below the state directory."""
    return state_dir / "agent" / "hardware"


class Record(BaseModel):
    """What we did to an interface. Settings by key.

    `saved` has what keys were before the first persona that names them, `applied` what they were when we
    were done, `moved` what those were that changed with others. `wish` and `sequence` are of the assignment
    that was last made so, -1: none. `before` is everything there was when a change began that is not done;
    None: none is under way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    boot: StrictStr
    ifindex: StrictInt
    name: StrictStr
    address: StrictStr
    driver: StrictStr
    saved: dict[str, _Value] = {}
    applied: dict[str, _Value] = {}
    moved: dict[str, _Value] = {}
    wish: StrictStr = ""
    sequence: StrictInt = -1
    before: dict[str, _Value] | None = None

    def is_of(self, nic: Nic, boot: str) -> bool:
        """Whether it was written of that interface, maybe before a reboot."""
        if self.driver != nic.capabilities.driver:
            return False
        same = self.address == nic.address
        return same or self.name == nic.name if boot == self.boot else same and self.name == nic.name


class Records:
    """The directory. Raises OSError where it cannot be written."""

    def __init__(self, directory: Path, boot: str) -> None:
        self._directory, self.boot = directory, boot
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for torn in directory.glob("*.new"):
            torn.unlink()
        self.by_ifindex: dict[int, Record] = {record.ifindex: record for record in self._read_all()}

    def put(self, record: Record) -> None:
        """On disk when this returns."""
        content = record.model_dump_json().encode()
        path = self._path(record.ifindex)
        aside = path.with_suffix(".new")
        aside.unlink(missing_ok=True)
        file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            while content:
                content = content[os.write(file, content) :]
            os.fsync(file)
        finally:
            os.close(file)
        aside.replace(path)
        self._sync()
        self.by_ifindex[record.ifindex] = record

    def remove(self, ifindex: int) -> None:
        self._path(ifindex).unlink(missing_ok=True)
        self._sync()
        self.by_ifindex.pop(ifindex, None)

    def _path(self, ifindex: int) -> Path:
        return self._directory / f"{ifindex}.json"

    def _sync(self) -> None:
        directory = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _read_all(self) -> Iterator[Record]:
        for path in sorted(self._directory.glob("*.json")):
            try:
                record = Record.model_validate_json(_content(path))
                if path != self._path(record.ifindex):
                    raise ValueError(f"it is of interface {record.ifindex}")
            except (OSError, ValueError, ValidationError) as error:
                _log.error("passed over: not a saved configuration of ours", file=str(path), error=str(error))
            else:
                yield record


def _content(path: Path) -> bytes:
    """Of a file that nobody but us can have written. Raises OSError, ValueError."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(file, "rb") as reader:
        about = os.fstat(reader.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & 0o022:
            raise ValueError("it is no plain file that belongs to us alone")
        content = reader.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES:,} bytes")
    return content
