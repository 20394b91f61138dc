"""A manager whose disk fills up, on a real file system, and then has room again."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2

from netpersona.control.store.disk_sync import CHECKPOINT_BYTES

PERSONA = {"description": "x" * 900}


def _fill_up(client: httpx2.Client) -> list[str]:
    """Writes until the disk refuses; the names of what was taken."""
    taken: list[str] = []
    for number in range(10_000):
        answer = client.post("/v1/personas", json=PERSONA | {"persona_id": f"p{number}"})
        if answer.status_code == 503:
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["content-type"] == "application/problem+json"
            return taken
        assert answer.status_code == 201
        taken.append(f"p{number}")
    raise AssertionError("the disk took everything")


def test_when_there_is_room_again_all_goes_on(start: Any, small_disk: Any, tmp_path: Path) -> None:
    with start(tmp_path, "--state-dir", str(small_disk.inside), enter=small_disk.enter) as running:
        with running.unix() as client:
            client.post("/v1/personas", json=PERSONA | {"persona_id": "first"}).raise_for_status()
            small_disk.fill()
            taken = _fill_up(client)
            assert client.get("/v1/personas/first").status_code == 200
            assert client.post("/v1/personas", json={"persona_id": "no"}).status_code == 503
            small_disk.free()
            assert client.post("/v1/personas", json={"persona_id": "last"}).status_code == 201
            assert client.get("/v1/personas/no").status_code == 404
        assert running.stop() < 3
    with start(tmp_path, "--state-dir", str(small_disk.inside), enter=small_disk.enter) as running:
        with running.unix() as client:
            for name in ("first", *taken, "last"):
                assert client.get(f"/v1/personas/{name}").status_code == 200
        assert "Traceback" not in (tmp_path / "log").read_text()


def _grow(client: httpx2.Client, log: Path, size: int, name: str) -> None:
    for number in range(2000):
        if log.stat().st_size >= size:
            return
        client.post("/v1/personas", json=PERSONA | {"persona_id": f"{name}{number}"}).raise_for_status()
    raise AssertionError("the log does not grow")


def test_a_log_that_cannot_be_copied_is_tried_again(start: Any, small_disk: Any, tmp_path: Path) -> None:
    with start(tmp_path, "--state-dir", str(small_disk.inside), enter=small_disk.enter) as running:
        log = small_disk.path / "manager" / "netpersona.db-wal"
        with running.unix() as client:
            _grow(client, log, CHECKPOINT_BYTES - (200 << 10), "a")
            small_disk.fill(leave=512 << 10)
            _grow(client, log, CHECKPOINT_BYTES, "b")
            _until(lambda: "cannot copy the log" in (tmp_path / "log").read_text())
            # The attempt may have taken the last room; whatever the answer is, it comes.
            assert client.post("/v1/personas", json={"persona_id": "full"}).status_code in (201, 503)
            small_disk.free()
            _until(lambda: _started_over(client, log))


def _started_over(client: httpx2.Client, log: Path) -> bool:
    """The commit after a copy cuts the log."""
    client.post("/v1/personas", json={"persona_id": f"d{time.monotonic_ns()}"}).raise_for_status()
    return log.stat().st_size < 1 << 20


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.4)  # a busy store would put the copying off
