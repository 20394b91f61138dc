"""top and status WORKLOAD: live measurements, and "-" for what nobody has measured."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from tests.unit.cli.conftest import FakeManager, Run, assignment, workload

from netpersona.cli import figures, top
from netpersona.client import Event
from netpersona.kinds.workload import WORKLOAD

MEASURED = {
    "interval_s": 1.0,
    "egress": {
        "throughput_bit_s": 2e6,
        "packets_s": 200.0,
        "dropped_packets": {"loss": 3, "queue full": 0},
        "rtt": {"min_ms": 9.0, "median_ms": 10.5, "p95_ms": 20.0, "samples": 5},
        "loss": 0.01,
    },
    "ingress": {"throughput_bit_s": 0.0, "packets_s": 0.0},
}


def status(**more: Any) -> dict[str, Any]:
    return {"phase": "attached", "message": "", "applied_sequence": 0, **more}


def test_one_workload_is_shown_with_what_is_measured(run: Run, manager: FakeManager) -> None:
    manager.add_workload("web", status=status(measured=MEASURED))
    ran = run("status", "web")
    assert ran.code == 0
    rows = {line.split("  ")[0]: line.split() for line in ran.out.splitlines() if line}
    assert rows["throughput"][1:] == ["2mbit", "0bit/s"]
    assert "3 loss" in ran.out
    assert "10.5ms (p95 20ms)" in ran.out
    assert rows["jitter"][1:] == ["-", "-"]
    assert run("status", "web", "-o", "json").json["measured"]["egress"]["loss"] == 0.01
    assert "did you mean web?" in run("status", "wbe").err


def test_nothing_measured_is_a_dash(run: Run, manager: FakeManager) -> None:
    manager.add_workload("web")
    manager.add_workload("unseen", status=None)
    for name in ("web", "unseen"):
        ran = run("status", name)
        assert ran.code == 0
        assert "throughput" in ran.out
    (row,) = (line.split() for line in run("top").out.splitlines() if line.startswith("unseen"))
    assert row[1:] == ["-"] * 8 + ["unseen"]


def test_top_once_has_the_busiest_first(run: Run, manager: FakeManager) -> None:
    deadline = (datetime.now(UTC) + timedelta(seconds=30)).isoformat()
    manager.add_workload("idle")
    manager.add_workload("web", status=status(measured=MEASURED), assignment=assignment(expires_at=deadline))
    ran = run("top", "--once")
    lines = ran.out.splitlines()
    assert tuple(lines[0].split()) == figures.TOP
    assert [line.split()[0] for line in lines[1:]] == ["web", "idle"]
    assert lines[1].split()[1:8] == ["slow@3", "2mbit", "0bit/s", "200", "3", "10.5ms", "1%"]
    first = run("top", "--once", "-o", "json").json[0]
    assert (first["workload_id"], first["dropped_packets"]) == ("web", 3)
    assert 0 < first["left_s"] <= 30


def test_a_thousand_fit_by_leaving_out_the_least_busy() -> None:
    board = top.Board()
    for number in range(1000):
        measured = {**MEASURED, "egress": {"throughput_bit_s": float(number)}}
        document = workload(f"w{number}", status=status(measured=measured))
        board.take(Event("ADDED", document))
    board.take(Event("DELETED", {"workload_id": "w0"}))
    table = board.table(24)
    assert table.row_count == 22
    assert table.caption == "… and 977 more"
    assert next(iter(table.columns[0].cells)).plain == "w999"  # type: ignore[union-attr]


def test_the_table_reads_whatever_a_workload_may_be() -> None:
    row = figures.top_row(WORKLOAD.load(workload("w", status=None)), datetime.now(UTC))
    assert len(row) == len(figures.TOP)


def test_ctrl_c_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    """The screen of its own is left, and the cursor shown again."""
    document = workload("web", status=status(measured=MEASURED))
    stopping = threading.Event()

    class Manager(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            for type_, thing in (("ADDED", document), ("BOOKMARK", {})):
                line = json.dumps({"type": type_, "revision": 1, "object": thing})
                self.wfile.write(f"{line}\n".encode())
            stopping.wait(30)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Manager)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    leader, follower = pty.openpty()
    token = tmp_path / "token"
    token.write_text("t")
    where = ["--server", f"http://127.0.0.1:{server.server_address[1]}", "--token-file", str(token)]
    command = [sys.executable, "-m", "netpersona.cli", *where, "top"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200", "LINES": "24"}
    with subprocess.Popen(
        command, stdin=follower, stdout=follower, stderr=follower, env=environment
    ) as process:
        os.close(follower)
        seen = b""
        while b"web" not in seen:
            seen += os.read(leader, 4096)
        process.send_signal(signal.SIGINT)
        try:
            while more := os.read(leader, 4096):
                seen += more
        except OSError:  # EIO: the other end is closed
            pass
        code = process.wait(20)
    stopping.set()
    server.shutdown()
    server.server_close()
    os.close(leader)
    assert code == 130
    assert seen.index(b"\x1b[?1049h") < seen.index(b"web") < seen.rindex(b"\x1b[?1049l")
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
