"""A kind declared once (`tests/unit/kinds/label.py`): from a file through command line, API and back."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import uvicorn
from structlog.testing import capture_logs
from tests.unit.kinds.label import LABEL, LabelSpec

from netpersona.cli import main, resources
from netpersona.client import Client, Conflict
from netpersona.control import FakeStore, Service
from netpersona.control.http.api import create_app
from netpersona.control.identity.auth import NoAuth
from netpersona.kinds.registry import HOMES, KINDS, Home

WAIT_S = 20.0


class Manager:
    """An API of all kinds and of labels, served in a thread."""

    def __init__(self, socket: Path) -> None:
        self.address = f"unix:{socket}"
        self.service = Service(FakeStore(), kinds=(*KINDS, LABEL))
        app = create_app(self.service, NoAuth())
        self._server = uvicorn.Server(uvicorn.Config(app, uds=str(socket), log_level="critical"))
        self._thread = threading.Thread(target=self._server.run)

    def start(self) -> None:
        self._thread.start()
        until(lambda: self._server.started)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(WAIT_S)


def until(reached: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    running = Manager(tmp_path / "api.sock")
    with capture_logs():  # they would stand between the lines of the commands, which run in this process
        running.start()
        yield running
        running.stop()


@pytest.fixture
def run(
    manager: Manager, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setitem(HOMES, "label", Home("labels", "tests.unit.kinds.label:LABEL"))

    def command(*argv: str) -> tuple[int, str, str]:
        code = main([*argv, "--server", manager.address])
        return (code, *capsys.readouterr())

    return command


def said_once(line: str, *, flush: bool = False) -> None:
    """As if somebody pressed Ctrl-C after the first line."""
    print(line, flush=flush)
    raise KeyboardInterrupt


def test_the_life_of_a_label(
    run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    note = tmp_path / "note.yaml"
    note.write_text("label_id: note\ntext: hello\n")
    assert run("apply", "-f", str(note), "--dry-run")[:2] == (0, "LABEL  RESULT\nnote   created (dry run)\n")
    assert run("get", "labels") == (0, "", "there are none\n")
    assert run("apply", "-f", str(note))[:2] == (0, "LABEL  RESULT\nnote   created\n")
    assert run("apply", "-f", str(note))[:2] == (0, "LABEL  RESULT\nnote   unchanged\n")
    assert run("get", "labels") == (0, "NAME  TEXT\nnote  hello\n", "")
    assert run("describe", "note") == (0, "label note\n  text  hello\n", "")
    note.write_text("kind: label\ntext: bye\n")
    code, out, _ = run("diff", "-f", str(note))
    assert (code, out.splitlines()[1].split()) == (1, ["note", "/text", "hello", "bye", "live"])
    assert run("apply", "-f", str(note))[:2] == (0, "LABEL  RESULT\nnote   replaced\n")
    shown = json.loads(run("get", "label", "note", "-o", "json")[1])
    assert shown["spec"] == {"text": "bye"}
    with monkeypatch.context() as patched:
        patched.setattr(resources, "say", said_once)
        code, out, err = run("watch", "labels")
    assert (code, out, err) == (130, f"ADDED     label/note  revision {shown['revision']}\n", "")
    assert run("delete", "label", "note") == (0, "label/note deleted\n", "")
    assert run("get", "labels", "-o", "json")[1] == "[]\n"


def test_the_client_has_it_typed(manager: Manager) -> None:
    with Client(manager.address) as client:
        stored = client.create(LABEL, "note", LabelSpec(text="hello"))
        assert client.all(LABEL) == [stored]
        with pytest.raises(Conflict):
            client.create(LABEL, "note", LabelSpec(text="bye"))
        changed = client.replace(LABEL, "note", LabelSpec(text="bye"), stored.revision)
        assert (changed.spec.text, changed.revision > stored.revision) == ("bye", True)
        with pytest.raises(Conflict):
            client.delete(LABEL, "note", stored.revision)
        client.delete(LABEL, "note", changed.revision)
        assert client.find(LABEL, "note") is None


def test_what_only_the_manager_refuses_comes_with_its_place_and_remedy(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    note = tmp_path / "note.yaml"
    note.write_text("label_id: note\ntext: 7\n")
    code, out, err = run("apply", "-f", str(note))
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == f"{note}:2:1: /text: this is not a text; write a text"
