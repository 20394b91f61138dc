"""What this agent was about to make true, on disk before it makes it true.

One line a record, `crc32 json`; the last record of a workload counts. A record is written ahead of
the store that it describes, with one `write` to a file opened with O_APPEND and no fsync: the
journal must outlive the process, not the machine. A killed process loses nothing that reached the
page cache, and after a power loss the pinned maps that the records speak of are gone as well.
A switch never waits for the disk. A line torn by a full disk or a power loss fails its checksum and
ends the file there. Once the file has doubled it is rewritten aside and renamed.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

COMPACT_BYTES = 1 << 20


@dataclass(frozen=True)
class Record:
    """One workload as it was wanted and applied.

    `document` is the workload as the manager sent it (JSON text), so that a restarted agent goes on
    while the manager is away. `attachment` is 0 where it is not attached. `expires_ns`
    (CLOCK_MONOTONIC) belongs to `sequence`.
    """

    workload_id: str
    document: str
    attachment: int = 0
    ifindex: int = 0
    sequence: int = 0
    expires_ns: int = 0


class Journal:
    """The journal file. `boot` names this boot: numbers of an earlier one are not believed."""

    def __init__(self, path: Path, *, boot: str) -> None:
        self._path = path
        self._boot = boot
        self.records: dict[str, Record] = _read(path, boot)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._rewrite()

    def put(self, record: Record) -> None:
        """Write ahead. Does nothing when it is on record already. Raises OSError (disk full)."""
        if self.records.get(record.workload_id) == record:
            return
        self._append(asdict(record))
        self.records[record.workload_id] = record

    def forget(self, workload_id: str) -> None:
        """The workload is gone and detached."""
        if workload_id in self.records:
            self._append({"workload_id": workload_id, "gone": True})
            del self.records[workload_id]

    def close(self) -> None:
        """Close the file; nothing needs flushing."""
        os.close(self._file)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _append(self, document: Mapping[str, Any]) -> None:
        line = _line(document)
        before = os.lseek(self._file, 0, os.SEEK_END)
        if os.write(self._file, line) != len(line):
            os.ftruncate(self._file, before)
            raise OSError(f"{self._path}: the disk is full; free some space, the agent goes on by itself")
        if before + len(line) > self._limit:
            self._compact()

    def _compact(self) -> None:
        os.close(self._file)
        self._file = self._rewrite()

    def _rewrite(self) -> int:
        aside = self._path.with_suffix(".new")
        lines: Iterable[Mapping[str, Any]] = (asdict(record) for record in self.records.values())
        content = _line({"boot": self._boot}) + b"".join(map(_line, lines))
        self._limit = max(COMPACT_BYTES, 2 * len(content))
        aside.write_bytes(content)
        aside.replace(self._path)
        return os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)


def _line(document: Mapping[str, Any]) -> bytes:
    body = json.dumps(document, separators=(",", ":")).encode()
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
    try:
        return Record(**document)
    except TypeError:
        return None


def _unapplied(record: Record) -> Record:
    return replace(record, attachment=0, ifindex=0, sequence=0, expires_ns=0)


def _parse(line: bytes) -> dict[str, Any] | None:
    """The document of a line, or None where the checksum says that the file ends here."""
    checksum, _, body = line.partition(b" ")
    if not body or checksum != b"%08x" % zlib.crc32(body):
        return None
    document = json.loads(body)
    return document if isinstance(document, dict) else None
