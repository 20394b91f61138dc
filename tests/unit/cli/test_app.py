"""Exit codes, streams and the global options."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from tests.unit.cli.conftest import FakeManager, Run, problem

from netpersona.cli import main
from netpersona.cli.app import COMMANDS, hoist


def test_no_command_shows_the_help_and_is_a_usage_error(run: Run) -> None:
    ran = run()
    assert ran.code == 2
    assert "validate" in ran.out
    assert ran.err == ""


@pytest.mark.parametrize("name", [name for _, name, _, _ in COMMANDS] + ["workload add", "workload remove"])
def test_every_command_says_what_it_is_for_and_shows_an_example(run: Run, name: str) -> None:
    ran = run(*name.split(), "--help")
    assert ran.code == 0
    assert re.search(rf"Example: (sudo )?netpersona {name}\b", ran.out)
    assert ran.err == ""


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["asign", "web", "x"], "Did you mean 'assign'"),
        (["get"], "Missing argument"),
        (["get", "personas", "--frob"], "--frob"),
        (["get", "persnoas"], "did you mean personas?"),
        (["get", "personas", "-o", "xml"], "xml"),
        (["verify", "web", "--probes", "3"], "write 10 or more"),
        (["diff", "one"], "two personas or -f"),
        (["workload", "add", "web"], "--interface"),
    ],
)
def test_a_wrong_command_line_exits_2_and_says_so_on_stderr_alone(
    run: Run, argv: list[str], said: str
) -> None:
    ran = run(*argv)
    assert ran.code == 2
    assert ran.out == ""
    assert said in ran.err
    assert "--help`" in ran.err
    assert "Traceback" not in ran.err


def test_global_options_may_stand_anywhere_but_behind_two_dashes() -> None:
    assert hoist(["get", "--run-dir", "/r", "personas", "--server=http://h", "--", "--token-file", "x"]) == [
        "--run-dir",
        "/r",
        "--server=http://h",
        "get",
        "personas",
        "--",
        "--token-file",
        "x",
    ]


def test_a_global_option_without_its_value_is_a_usage_error(run: Run) -> None:
    assert run("get", "personas", "--server").code == 2


def test_ctrl_c_exits_130_without_a_word(
    run: Run, manager: FakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_request: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(manager, "_resource", interrupt)
    ran = run("get", "personas")
    assert (ran.code, ran.err) == (130, "")


def test_a_reader_that_has_gone_is_no_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    with os.fdopen(write_end, "w") as gone:
        monkeypatch.setattr("sys.stdout", gone)
        assert main(["completion", "bash"]) == 1


def test_the_environment_names_the_run_directory(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NETPERSONA_RUN_DIR", str(tmp_path))
    assert main(["get", "personas"]) == 1
    assert str(tmp_path / "api.sock") in capsys.readouterr().err


def test_an_answer_of_an_unknown_shape_is_no_traceback(run: Run, manager: FakeManager) -> None:
    manager.workloads["web"] = {"surprise": 1}
    ran = run("get", "workloads")
    assert (ran.code, ran.out) == (1, "")
    assert "the manager says of a workload what this client cannot read" in ran.err


def test_a_defect_is_no_traceback_unless_one_wants_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netpersona.cli.resources.view_of", {}.__getitem__)
    ran = run("get", "presets")
    assert (ran.code, ran.out) == (1, "")
    assert "defect" in ran.err
    assert "Traceback" not in ran.err
    monkeypatch.setenv("NETPERSONA_DEBUG", "1")
    with pytest.raises(TypeError):
        run("get", "presets")


def test_a_usage_error_is_one_line(run: Run) -> None:
    ran = run("completion", "tcsh")
    assert ran.code == 2
    assert ran.err.count("\n") == 1
    assert "Value error" not in ran.err


def test_a_missing_token_is_asked_for_as_an_option(run: Run, manager: FakeManager) -> None:
    manager.answers["GET", "/v1/workloads"] = problem(401, "a bearer token is needed here")
    assert "--token-file" in run("get", "workloads").err
