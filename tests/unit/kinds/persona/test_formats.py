import json
from pathlib import Path
from typing import Any, Literal

import pytest

from netpersona.kinds.persona import InvalidDocument, dump, from_mapping, load, loads

YAML = """\
persona_id: voip
mtu: 1400
egress:
  latency: 100ms
  loss: 1%
"""


def problems(text: str, **options: Any) -> list[str]:
    with pytest.raises(InvalidDocument) as refused:
        loads(text, source="f", **options)
    return [str(problem) for problem in refused.value.problems]


def test_a_problem_says_file_line_column_key_and_remedy() -> None:
    (said,) = problems(YAML.replace("1%", "5"))
    assert said == "f:5:3: /egress/loss: 5 is outside 0 to 1; for 5 percent write 5%"


def test_a_key_of_a_direction_is_sent_where_it_belongs() -> None:
    for key in ("latency", "latancy"):
        (said,) = problems(f"persona_id: p\negress: {{}}\n{key}: 5ms\n")
        assert said.startswith(f"f:3:1: /{key}: unknown key '{key}'; write latency below egress or ingress")


def test_json_problems_have_places_too() -> None:
    text = '{\n  "persona_id": "voip",\n\t"egress": {"latency": "1ms", "los": 0.1}\n}'
    assert problems(text) == ["f:3:31: /egress/los: unknown key 'los'; did you mean loss?"]


def test_problems_of_all_documents_are_reported_at_once_in_order() -> None:
    said = problems(YAML.replace("1400", "1").replace("1%", "5") + "---\npersona_id: b\nlatencyMs: many\n")
    assert [line.split(": ")[0] for line in said] == ["f:2:1", "f:5:3", "f:8:1"]


def test_several_documents_and_lists_hold_several_personas() -> None:
    assert [p.persona_id for p in loads("name: a\n---\nname: b\n---\n")] == ["a", "b"]
    assert [p.persona_id for p in loads('[{"name": "a"}, {"name": "b"}]')] == ["a", "b"]
    assert problems('[{"name": "a"},\n {"name": "b", "mtu": 1}]') == [
        "f:2:16: /mtu: 1 is below 68; write 68 or more"
    ]


def test_an_anchor_may_be_used_again() -> None:
    persona = loads("name: a\negress: &link {latency: 5ms}\ningress: *link\n")[0]
    assert persona.egress == persona.ingress


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: a\nname: b\n", "f:2:1: /name: key given twice; remove it, or the one on line 1"),
        ('{"name": "a", "name": "b"}', "f:1:15: /name: key given twice"),
        ("a: [", "f:1:5: not YAML"),
        ('{"a": [1,]}', "f:1:10: not JSON"),
        ('{"a": NaN}', "NaN is not JSON"),
        ("mtu: !!int 5", "f:1:6: the tag"),
        ("<<: {mtu: 5}", "f:1:1: merge keys"),
        ("egress: *nowhere", "f:1:9: *nowhere stands for nothing yet"),
        ("egress: &a {loss: *a}", "*a stands for nothing yet"),
        ("? {a: 1}\n: 2", "f:1:3: a key has to be text"),
        ("[" * 40, "f:1:33: nested deeper than 32 levels"),
        ("mtu: \x00", "not YAML"),
        ('description: "\\UFFFFFFFF"', "not YAML"),
        (b"name: \xff", "f:1: not UTF-8 text; save the file as UTF-8"),
        ("", "f: there is no persona in it"),
        ("just words", "f:1:1: text is not a persona"),
        ("name: a\nmtu: .inf", "f:2:1: /mtu: "),
        ("name: a\nmtu: " + "9" * 5000, "f:2:1: /mtu: "),
        ("name: a\n---\nname: a\n", "f: persona_id a is used twice"),
        ("#" * (2**20 + 1), "f: larger than 1 MiB"),
    ],
)
def test_what_is_no_document_is_refused_with_its_place(text: str, says: str) -> None:
    guess = "json" if isinstance(text, str) and text.startswith('{"') else None
    assert any(says in said for said in problems(text, format=guess)), problems(text, format=guess)


def test_aliases_of_aliases_do_not_blow_up() -> None:
    levels = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))
    assert "more than 100,000 values" in problems(f"a0: &a0 [x, x]\n{levels}\n")[0]


def test_dates_and_words_stay_text() -> None:
    persona = loads("name: a\ndescription: 2024-01-01\n")[0]
    assert persona.description == "2024-01-01"


@pytest.mark.parametrize("format", ["yaml", "json"])
@pytest.mark.parametrize(
    "description",
    [
        "plain",
        "yes: no",
        "- x",
        "1e3",
        "null",
        "a\nb\t\u2028",
        '"quoted" \\',
        " ",
        "💡 é",
        "#",
        "\x01\x7f\u202e",
    ],
)
def test_what_is_dumped_loads_as_an_equal_persona(format: Literal["yaml", "json"], description: str) -> None:
    persona = from_mapping({"persona_id": "d", "description": description, "egress": {"loss": "1%"}})
    assert loads(dump(persona, format)) == [persona]


def test_json_is_written_as_json() -> None:
    assert json.loads(dump(from_mapping({"persona_id": "d"}), "json")) == {"persona_id": "d"}


def test_a_file_names_a_document_that_does_not_name_itself(tmp_path: Path) -> None:
    (tmp_path / "slow-link.yaml").write_text("latencyMs: 400\n")
    assert load(tmp_path / "slow-link.yaml")[0].persona_id == "slow-link"


def test_a_directory_is_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"name": "b"}')
    (tmp_path / "a.yml").write_text("name: a")
    (tmp_path / "readme.md").write_text("not a persona")
    assert [p.persona_id for p in load(tmp_path)] == ["a", "b"]


def test_problems_of_all_files_of_a_directory_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("mtu: 5")
    (tmp_path / "b.json").write_text("{")
    with pytest.raises(InvalidDocument) as refused:
        load(tmp_path)
    assert [problem.file for problem in refused.value.problems] == [
        str(tmp_path / "a.yaml"),
        str(tmp_path / "b.json"),
    ]


def test_a_file_that_is_not_there_is_a_problem_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument, match="cannot be read: No such file"):
        load(tmp_path / "none.yaml")


def test_an_empty_directory_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(InvalidDocument, match="no persona files here"):
        load(tmp_path)
