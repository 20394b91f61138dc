import errno
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from netpersona.agent import journal
from netpersona.agent.journal import Journal, Record

BOOT = "boot-a"
WORN = Record("web", '{"workload_id":"web"}', ifindex=9, sequence=4, expires_ns=77)


def test_a_record_is_there_after_reopening(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.json", boot=BOOT) as first:
        first.put(WORN)
    with Journal(tmp_path / "journal.json", boot=BOOT) as second:
        assert second.records == {"web": WORN}


def test_a_record_is_in_the_file_when_put_returns(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    with Journal(path, boot=BOOT) as open_journal:
        open_journal.put(WORN)
        assert b'"expires_ns":77' in path.read_bytes()


def test_the_last_record_of_a_workload_counts(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    with Journal(path, boot=BOOT) as first:
        first.put(WORN)
        first.put(Record("web", "{}", ifindex=9, sequence=5))
        first.put(Record("db", "{}"))
        first.forget("db")
    with Journal(path, boot=BOOT) as second:
        assert {name: record.sequence for name, record in second.records.items()} == {"web": 5}


def test_an_unchanged_record_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    with Journal(path, boot=BOOT) as open_journal:
        open_journal.put(WORN)
        size = path.stat().st_size
        open_journal.put(WORN)
        assert path.stat().st_size == size


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_tail_loses_only_the_torn_record(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal.json"
    with Journal(path, boot=BOOT) as first:
        first.put(WORN)
        first.put(Record("db", "{}", ifindex=8))
    path.write_bytes(path.read_bytes()[:-cut])
    with Journal(path, boot=BOOT) as second:
        assert second.records["web"] == WORN
        assert set(second.records) <= {"web", "db"}
        second.put(Record("late", "{}"))
    with Journal(path, boot=BOOT) as third:
        assert "late" in third.records


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    with Journal(path, boot=BOOT) as first:
        first.put(WORN)
    path.write_bytes(path.read_bytes().replace(b'"ifindex":9', b'"ifindex":7'))
    with Journal(path, boot=BOOT) as second:
        assert second.records == {}


def test_another_boot_keeps_what_is_wanted_and_forgets_the_numbers(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.json", boot=BOOT) as first:
        first.put(WORN)
    with Journal(tmp_path / "journal.json", boot="boot-b") as second:
        assert second.records == {"web": Record("web", WORN.document)}


def test_the_file_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "COMPACT_BYTES", 2000)
    path = tmp_path / "journal.json"
    with Journal(path, boot=BOOT) as open_journal:
        for sequence in range(500):
            open_journal.put(Record("web", "{}", sequence=sequence))
        assert path.stat().st_size < 2500
    with Journal(path, boot=BOOT) as second:
        assert second.records["web"].sequence == 499


def test_a_full_disk_is_said_and_leaves_no_torn_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "journal.json"
    with Journal(path, boot=BOOT) as first:
        write = os.write
        monkeypatch.setattr(os, "write", lambda file, data: write(file, data[:10]))
        with pytest.raises(OSError, match="disk is full"):
            first.put(WORN)
        monkeypatch.undo()
        assert "web" not in first.records
        first.put(WORN)
    with Journal(path, boot=BOOT) as second:
        assert second.records == {"web": WORN}


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 4096, b"not a journal\n" * 9, b"\xff\xfe", b"00000000 {}\n"]
)
def test_garbage_is_an_empty_journal_that_can_be_written(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.json"
    path.write_bytes(content)
    with Journal(path, boot=BOOT) as first:
        assert first.records == {}
        first.put(WORN)
    with Journal(path, boot=BOOT) as second:
        assert second.records == {"web": WORN}


def test_a_record_in_the_form_of_another_release_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.json"
    foreign = {"workload_id": "web", "wears": "lag"}
    lines: list[dict[str, Any]] = [{"boot": BOOT}, foreign, {"gone": True}, asdict(WORN)]
    path.write_bytes(b"".join(map(journal._line, lines)))
    with Journal(path, boot=BOOT) as read:
        assert read.records == {"web": WORN}


def test_what_an_earlier_release_knew_beside_it_is_no_obstacle(tmp_path: Path) -> None:
    """It also wrote the number of the attachment, which is now asked of the kernel."""
    path = tmp_path / "journal.json"
    path.write_bytes(b"".join(map(journal._line, [{"boot": BOOT}, {**asdict(WORN), "attachment": 3}])))
    with Journal(path, boot=BOOT) as read:
        assert read.records == {"web": WORN}


def _refuse(*_arguments: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("step", ["open", "write", "replace"])
def test_a_rewrite_that_fails_leaves_the_old_file_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(journal, "COMPACT_BYTES", 1000)
    path = tmp_path / "journal.json"
    with Journal(path, boot=BOOT) as first:
        before = first._file
        failing = {"open": (os, "open"), "write": (journal, "_write_all"), "replace": (Path, "replace")}
        with monkeypatch.context() as full:
            full.setattr(*failing[step], _refuse)
            for sequence in range(20):
                first.put(Record("web", "{}", sequence=sequence))
        assert first._file == before
        assert list(tmp_path.iterdir()) == [path]
        first.put(Record("web", "{}", sequence=20))
    with Journal(path, boot=BOOT) as second:
        assert second.records["web"].sequence == 20


def test_a_torn_line_that_cannot_be_cut_off_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.json"
    with Journal(path, boot=BOOT) as first:
        write = os.write
        with monkeypatch.context() as full:
            full.setattr(os, "write", lambda file, data: write(file, data[:10]))
            full.setattr(os, "ftruncate", _refuse)
            with pytest.raises(OSError, match="disk is full"):
                first.put(WORN)
        first.put(WORN)
    with Journal(path, boot=BOOT) as second:
        assert second.records == {"web": WORN}


def _put_many(open_journal: Journal) -> None:
    for sequence in range(100, 1000):
        open_journal.put(Record("db", "{}", sequence=sequence))


def test_on_a_real_full_disk_records_are_refused_until_there_is_room(small_disk: Any) -> None:
    path = small_disk.path / "journal.json"
    with Journal(path, boot=BOOT) as first:
        first.put(WORN)
        small_disk.fill()
        with pytest.raises(OSError, match="disk is full"):
            _put_many(first)
        reached = first.records["db"].sequence
    with Journal(path, boot=BOOT) as second:
        assert second.records["web"] == WORN
        assert second.records["db"].sequence == reached
        small_disk.free()
        second.forget("db")
        second.put(Record("late", "{}"))
    with Journal(path, boot=BOOT) as third:
        assert set(third.records) == {"web", "late"}


def test_an_agent_starts_on_a_full_disk(small_disk: Any) -> None:
    small_disk.fill()
    with Journal(small_disk.path / "journal.json", boot=BOOT) as first:
        with pytest.raises(OSError, match="goes on by itself"):
            first.put(WORN)
        small_disk.free()
        first.put(WORN)
    with Journal(small_disk.path / "journal.json", boot=BOOT) as second:
        assert second.records == {"web": WORN}
