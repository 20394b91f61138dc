import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from netpersona.agent import journal
from netpersona.agent.journal import Journal, Record

BOOT = "boot-a"
WORN = Record("web", '{"workload_id":"web"}', attachment=3, ifindex=9, sequence=4, expires_ns=77)


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
        first.put(Record("web", "{}", attachment=3, ifindex=9, sequence=5))
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
        first.put(Record("db", "{}", attachment=8))
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
    path.write_bytes(path.read_bytes().replace(b'"attachment":3', b'"attachment":2'))
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
