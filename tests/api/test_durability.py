"""What was acknowledged is there after a kill -9 at any moment."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest

WRITERS = 4
ENOUGH = 60


def _write(running: Any, writer: int, acknowledged: list[str], enough: threading.Semaphore) -> None:
    with running.tcp(running.token) as client:
        for number in range(100_000):
            name = f"p{writer}-{number}"
            try:
                answer = client.post("/v1/personas", json={"persona_id": name, "mtu": 1280 + number % 200})
            except httpx2.TransportError:
                return
            assert answer.status_code == 201
            acknowledged.append(name)
            enough.release()


@pytest.mark.parametrize("kills", [3])
def test_kill_9_loses_no_acknowledged_write(start: Any, tmp_path: Path, kills: int) -> None:
    acknowledged: list[str] = []
    revision = 0
    for life in range(kills):
        with start(tmp_path) as running:
            enough = threading.Semaphore(0)
            arguments = [(running, life * WRITERS + n, acknowledged, enough) for n in range(WRITERS)]
            writers = [threading.Thread(target=_write, args=each) for each in arguments]
            for writer in writers:
                writer.start()
            for _ in range(ENOUGH):
                assert enough.acquire(timeout=30)
            running.stop(signal.SIGKILL)
            for writer in writers:
                writer.join(timeout=30)
    with start(tmp_path) as running, running.unix() as client:
        stored: dict[str, int] = {}
        cursor = None
        while True:
            page = client.get(
                "/v1/personas", params={"limit": 1000} | ({"continue": cursor} if cursor else {})
            ).json()
            stored |= {item["persona_id"]: item["revision"] for item in page["items"]}
            cursor = page["continue"]
            if cursor is None:
                break
        revision = page["revision"]
    assert set(acknowledged) <= set(stored)
    assert len(acknowledged) >= kills * ENOUGH
    assert len(set(stored.values())) == len(stored)
    assert max(stored.values()) < revision
