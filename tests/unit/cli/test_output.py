"""Tables, JSON, YAML and names."""

from __future__ import annotations

import io
import json

import pytest
from ruamel.yaml import YAML

from netpersona.cli.output import Format, View, emit, plain_table

WIDE = "w" * 300
VIEW = View(
    columns=("NAME", "NOTE"),
    rows=[("a", WIDE), ("long-name", "[red]é[/red]")],
    data=[{"z": 1, "a": WIDE, "on": "yes"}],
    names=["a", "long-name"],
    empty="nothing here",
)


def test_a_piped_table_keeps_every_value_whole(capsys: pytest.CaptureFixture[str]) -> None:
    emit(VIEW, Format.table)
    assert capsys.readouterr().out.splitlines() == [
        "NAME       NOTE",
        f"a          {WIDE}",
        "long-name  [red]é[/red]",
    ]


def test_a_table_on_a_narrow_terminal_folds_but_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    emit(VIEW, Format.table)
    assert terminal.getvalue().count("w") == len(WIDE)
    assert "[red]é[/red]" in terminal.getvalue()


def test_json_is_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    emit(VIEW, Format.json)
    assert json.loads(capsys.readouterr().out) == VIEW.data


def test_yaml_is_the_data_in_its_order_and_in_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    emit(VIEW, Format.yaml)
    text = capsys.readouterr().out
    assert YAML(typ="safe").load(text) == VIEW.data
    assert text.startswith("- z: 1\n")


def test_names_stand_one_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    emit(VIEW, Format.name)
    assert capsys.readouterr().out == "a\nlong-name\n"


@pytest.mark.parametrize("form", [Format.table, Format.name])
def test_nothing_to_show_leaves_stdout_empty(capsys: pytest.CaptureFixture[str], form: Format) -> None:
    emit(View(("A",), [], [], [], empty="nothing here"), form)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == ("nothing here\n" if form is Format.table else "")


def test_a_plain_table_has_no_trailing_blanks() -> None:
    assert plain_table(("A", "B"), [("1", "")]) == "A  B\n1"
