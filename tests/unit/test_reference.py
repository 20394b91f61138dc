"""The committed reference pages are what the model, the API and the command tree say."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab import reference

from netpersona.kinds import registry


def test_the_pages_are_up_to_date() -> None:
    assert reference.main(["--check"]) == 0, "run `make docs`"


def test_a_stale_page_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "openapi.json").write_text((reference.REFERENCE / "openapi.json").read_text())
    monkeypatch.setattr(reference, "REFERENCE", tmp_path)
    assert reference.main(["--check"]) == 1
    assert "cli.md" in capsys.readouterr().err
    assert reference.main([]) == 0
    assert reference.main(["--check"]) == 0


@pytest.mark.parametrize(
    "line",
    [
        "## `netpersona assign WORKLOAD [PERSONA]`",
        "## `netpersona workload add NAME`",
        "| `--ttl DURATION` |  | Fall back by itself after this long. |",
        "| `-o, --output table\\|json\\|yaml\\|name` | table | How to print the answer. |",
    ],
)
def test_the_command_page_shows_arguments_and_options(line: str) -> None:
    assert line in reference.cli_page().splitlines()


def test_a_kind_that_is_declared_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.HOMES, "label", registry.Home("labels", "tests.unit.kinds.label:LABEL"))
    page = reference.kinds_page()
    for line in (
        "## label",
        "A text to remember. `/v1/labels`; written by people.",
        "| `label_id` | required | Its name |",
        "text: to be remembered",
    ):
        assert line in page.splitlines()
    assert "`netns`" in page
