"""validate, schema, presets, explain and diff."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import pytest
from ruamel.yaml import YAML
from tests.unit.cli.conftest import FakeManager, Run

from netpersona.kinds.persona import loads, presets


@pytest.fixture
def link(tmp_path: Path) -> str:
    path = tmp_path / "link.yaml"
    path.write_text("persona_id: link\negress: {latency: 20ms}\n")
    return str(path)


def test_validate_says_ok_for_each_document(run: Run, link: str) -> None:
    ran = run("validate", link)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[1].split() == [link, "link", "ok"]


def test_validate_twice_says_the_same(run: Run, link: str) -> None:
    assert run("validate", link) == run("validate", link)


def test_validate_as_json(run: Run, link: str) -> None:
    assert run("validate", link, "-o", "json").json == [
        {"file": link, "persona_id": "link", "warnings": [], "problems": []}
    ]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_validate_gives_programs_the_problems_and_what_is_right(
    run: Run, tmp_path: Path, link: str, form: str
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("persona_id: x\nmtu: 7\n'k\u202e': 1\n")
    ran = run("validate", link, str(bad), "-o", form)
    right, wrong = ran.json if form == "json" else YAML(typ="safe", pure=True).load(ran.out)
    assert (ran.code, right["persona_id"], right["problems"]) == (1, "link", [])
    assert (wrong["file"], wrong["persona_id"]) == (str(bad), None)
    assert wrong["problems"][0] == {
        "line": 2,
        "column": 1,
        "pointer": "/mtu",
        "detail": "7 is below 68",
        "remedy": "write 68 or more",
    }
    assert wrong["problems"][1]["pointer"] == "/k\u202e"
    assert "\u202e" not in ran.out + ran.err
    assert ran.err.endswith("error: 2 problems\n")


def test_a_hundred_problems_are_shown_and_the_rest_counted(run: Run, tmp_path: Path) -> None:
    (tmp_path / "many.yaml").write_text("\n---\n".join("persona_id: A\nmtu: 1" for _ in range(80)))
    ran = run("validate", str(tmp_path))
    assert ran.code == 1
    assert ran.err.splitlines()[-2:] == ["… and 60 more", "error: 160 problems"]


def test_what_is_in_a_description_cannot_drive_the_terminal(
    run: Run, manager: FakeManager, tmp_path: Path
) -> None:
    text = "a\x1b]0;owned\x07\u202eb\nwarnings:\n  - forged \x9b31m"
    manager.add_persona(persona_id="odd", description=text)
    path = tmp_path / "odd.json"
    path.write_text(json.dumps({"persona_id": "odd", "description": text, "mtu": 1500}))
    for words in (
        ("explain", str(path)),
        ("get", "personas"),
        ("get", "persona", "odd"),
        ("get", "personas", "-o", "json"),
        ("get", "personas", "-o", "yaml"),
        ("describe", "persona", "odd"),
        ("diff", "-f", str(path), "-o", "json"),
    ):
        ran = run(*words)
        assert all(line.isprintable() for line in (ran.out + ran.err).splitlines()), words
        assert "\nwarnings:\n  - forged" not in ran.out
    assert run("get", "persona", "odd", "-o", "json").json["spec"]["description"] == text
    read = YAML(typ="safe", pure=True).load(run("get", "persona", "odd", "-o", "yaml").out)
    assert read["spec"]["description"] == text


def test_validate_of_a_bad_file_exits_1_and_prints_no_data(run: Run, tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("persona_id: x\nmtu: 7\n")
    ran = run("validate", str(bad))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(f"{bad}:2:")


def test_validate_asks_no_manager(run: Run, manager: FakeManager, link: str) -> None:
    run("validate", link)
    assert manager.asked == []


def test_the_schema_is_json(run: Run) -> None:
    assert "$schema" in run("schema").json


def test_presets_are_listed_with_their_sources(run: Run) -> None:
    ran = run("presets")
    assert ran.code == 0
    assert len(ran.out.splitlines()) == 1 + len(presets())
    assert "Source" in ran.out


@pytest.mark.parametrize(("form", "suffix"), [("table", "yaml"), ("yaml", "yaml"), ("json", "json")])
def test_a_printed_preset_can_be_read_back(run: Run, form: str, suffix: Literal["yaml", "json"]) -> None:
    name, preset = next(iter(presets().items()))
    assert loads(run("presets", name, "-o", form).out, format=suffix) == [preset]


def test_an_unknown_preset_offers_the_nearest(run: Run) -> None:
    name = next(iter(presets()))
    ran = run("presets", f"{name}x")
    assert ran.code == 1
    assert f"did you mean {name}?" in ran.err


def test_explain_takes_a_file_a_preset_and_a_stored_persona(
    run: Run, manager: FakeManager, link: str
) -> None:
    manager.add_persona(persona_id="stored", egress={"latency": "70ms"})
    assert "20ms" in run("explain", link).out
    assert "70ms" in run("explain", "stored").out
    assert run("explain", next(iter(presets()))).code == 0


def test_diff_of_equal_behaviour_is_0_and_leaves_stdout_empty(
    run: Run, manager: FakeManager, link: str
) -> None:
    manager.add_persona(persona_id="other-name", egress={"latency": "20ms"})
    ran = run("diff", link, "other-name")
    assert (ran.code, ran.out, ran.err) == (0, "", "no differences\n")


def test_diff_of_two_exits_1_and_labels_the_change(run: Run, manager: FakeManager, link: str) -> None:
    manager.add_persona(persona_id="slow", egress={"latency": "90ms"})
    ran = run("diff", "slow", link, "-o", "json")
    assert ran.code == 1
    (change,) = ran.json
    assert (change["pointer"], change["before"], change["after"], change["label"]) == (
        "/egress/latency",
        "90ms",
        "20ms",
        "live",
    )


def test_diff_of_a_file_compares_with_what_is_stored(run: Run, manager: FakeManager, link: str) -> None:
    assert run("diff", "-f", link).code == 1
    manager.add_persona(persona_id="link", egress={"latency": "20ms"})
    assert run("diff", "-f", link).code == 0


def test_diff_wants_two_personas_or_a_file(run: Run, link: str) -> None:
    assert run("diff", link).code == 2
    assert run("diff", link, link, "-f", link).code == 2
    assert run("diff").code == 2


def test_diff_of_a_bad_file_is_an_error_and_no_difference_is_printed(
    run: Run, tmp_path: Path, link: str
) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text(json.dumps({"persona_id": "x", "mtu": 7}))
    ran = run("diff", link, str(bad))
    assert (ran.code, ran.out) == (1, "")
    assert str(bad) in ran.err
