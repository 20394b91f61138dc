"""up and down as commands; what they do is in test_lifecycle and the namespace tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.cli.conftest import Run

from netpersona.cli import lifecycle
from netpersona.cli.lifecycle import Running
from netpersona.cli.places import Places

Calls = list[tuple[str, dict[str, object]]]
"""Name and options."""


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Calls:
    """The arguments of each call; the first `up` makes the token, as a manager does."""
    calls: Calls = []

    def up(places: Places, **options: object) -> Running:
        calls.append(("up", options))
        first = not places.token.exists()
        places.token.parent.mkdir(parents=True, exist_ok=True)
        places.token.write_text("s3cret\n")
        names = ("manager", "engine", "agent") if first else ()
        return Running(str(options["listen"]), places.socket, places.token, places.state_dir / "log", names)

    monkeypatch.setattr(lifecycle, "up", up)
    monkeypatch.setattr(lifecycle, "down", lambda _places, **options: calls.append(("down", options)))
    monkeypatch.setenv("NETPERSONA_RUN_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("NETPERSONA_STATE_DIR", str(tmp_path / "state"))
    return calls


@pytest.mark.usefixtures("started")
def test_the_token_is_shown_when_it_is_made_and_never_again(run: Run) -> None:
    first, second = run("up"), run("up", "-o", "json")
    assert "s3cret" in first.out
    assert "s3cret" not in second.out
    assert second.json["listen"] == "http://127.0.0.1:8470"
    assert second.err == "everything was running already\n"


def test_listen_comes_from_the_option_or_the_environment(
    run: Run, started: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETPERSONA_LISTEN", "127.0.0.1:1")
    run("up")
    run("up", "--listen", "127.0.0.1:2")
    assert [options["listen"] for _, options in started] == ["127.0.0.1:1", "127.0.0.1:2"]


def test_down_purges_only_when_asked(run: Run, started: Calls) -> None:
    run("down")
    run("down", "--purge")
    assert [options["purge"] for _, options in started] == [False, True]
