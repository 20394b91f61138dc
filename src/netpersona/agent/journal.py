"""What this agent was about to make true, on disk before it makes it true.

One line a record, `crc32 json`; the last record of a workload counts. A record is written ahead of
the store that it describes, with one `write` to a file opened with O_APPEND and no fsync: the
journal must outlive the process, not the machine. A killed process loses nothing that reached the
page cache, and after a power loss the pinned maps that the records speak of are gone as well.
A switch never waits for the disk. A line torn by a power loss fails its checksum and ends the file there.
Once the file has doubled it is rewritten aside and renamed. A full disk refuses a record, never a later one.
"""

from __future__ import annotations

import errno
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import structlog

COMPACT_BYTES = 1 << 20

_FULL = (errno.ENOSPC, errno.EDQUOT)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Record:
    """One workload as it was wanted and applied.

    `document` is the workload as the manager sent it (JSON text), so that a restarted agent goes on
    while the manager is away. `ifindex` is the interface that it was attached to last, 0: none.
    `expires_ns` (CLOCK_MONOTONIC) belongs to `sequence`.
    """

    workload_id: str
    document: str
    ifindex: int = 0
    sequence: int = 0
    expires_ns: int = 0


class Journal:
    """The journal file. `boot` names this boot: numbers of an earlier one are not believed.

    On a full disk it opens all the same, and takes nothing until there is room: what is in force stays so.
    """

    def __init__(self, path: Path, *, boot: str) -> None:
        self._path = path
        self._boot = boot
        self._limit = self._size = 0
        self._file: int | None = None
        self.records: dict[str, Record] = _read(path, boot)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._file = self._rewrite()
        except OSError as error:
            if error.errno not in _FULL:
                raise
            _log.error("cannot begin the journal; trying again with each record", error=str(error))

    def put(self, record: Record) -> None:
        """Write ahead. Does nothing when it is on record already. Raises OSError (disk full)."""
        if self.records.get(record.workload_id) == record:
            return
        self._append(vars(record))
        self.records[record.workload_id] = record

    def forget(self, workload_id: str) -> None:
        """The workload is gone and detached. Raises OSError (disk full): it is still on record then."""
        if workload_id in self.records:
            self._append({"workload_id": workload_id, "gone": True})
            del self.records[workload_id]

    def close(self) -> None:
        """Close the file; nothing needs flushing."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, document: Mapping[str, Any]) -> None:
        line = _line(document)
        try:
            if self._file is None:
                self._file = self._rewrite()
            self._write_whole(self._file, line)
        except OSError as error:
            said = "the disk is full; free some space" if error.errno in _FULL else str(error)
            raise OSError(f"{self._path}: {said}, the agent goes on by itself") from error
        if self._size > self._limit:
            self._compact()

    def _write_whole(self, file: int, line: bytes) -> None:
        """Appends the line or nothing: what follows a torn one would never be read again."""
        try:
            if os.write(file, line) != len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            try:
                os.ftruncate(file, self._size)
            except OSError:
                self.close()  # torn: the next record begins the file anew
            raise
        self._size += len(line)

    def _compact(self) -> None:
        """Where there is no room for a second file, the old one goes on and grows."""
        try:
            fresh = self._rewrite()
        except OSError as error:
            self._limit = self._size + COMPACT_BYTES
            _log.warning("cannot compact the journal; it grows on", error=str(error))
            return
        self.close()
        self._file = fresh

    def _rewrite(self) -> int:
        """A new file in the place of the old one, open for appending. OSError: the old one is untouched."""
        aside = self._path.with_suffix(".new")
        lines = (vars(record) for record in self.records.values())
        content = _line({"boot": self._boot}) + b"".join(map(_line, lines))
        aside.unlink(missing_ok=True)
        file = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _write_all(file, content)
            aside.replace(self._path)
        except OSError:
            os.close(file)
            aside.unlink(missing_ok=True)
            raise
        self._size = len(content)
        self._limit = max(COMPACT_BYTES, 2 * self._size)
        return file


def _write_all(file: int, content: bytes) -> None:
    """A full disk takes a part first and refuses the rest."""
    while content:
        content = content[os.write(file, content) :]


_encode = json.JSONEncoder(separators=(",", ":")).encode  # made once: json.dumps makes one a call


def _line(document: Mapping[str, Any]) -> bytes:
    body = _encode(document).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _read(path: Path, boot: str) -> dict[str, Record]:
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return {}
    records: dict[str, Record] = {}
    same_boot = False
    for line in lines:
        document = _parse(line)
        if document is None:
            break
        if "boot" in document:
            same_boot = document["boot"] == boot
        elif document.get("gone"):
            records.pop(document.get("workload_id", ""), None)
        elif record := _record(document):
            records[record.workload_id] = record
    return records if same_boot else {name: _unapplied(record) for name, record in records.items()}


def _record(document: Mapping[str, Any]) -> Record | None:
    """None for one that another release wrote in another form: the manager will say what is wanted."""
    known = {field.name for field in fields(Record)}
    try:
        return Record(**{key: value for key, value in document.items() if key in known})
    except TypeError:
        return None


def _unapplied(record: Record) -> Record:
    return replace(record, ifindex=0, sequence=0, expires_ns=0)


def _parse(line: bytes) -> dict[str, Any] | None:
    """The document of a line, or None where the checksum says that the file ends here."""
    checksum, _, body = line.partition(b" ")
    if not body or checksum != b"%08x" % zlib.crc32(body):
        return None
    document = json.loads(body)
    return document if isinstance(document, dict) else None
