"""A kind declared once (`tests/unit/kinds/label.py`) and named in the registry: no command needs more."""

from __future__ import annotations

import json
from pathlib import Path

import httpx2
import pytest
from tests.unit.cli.conftest import Json, Ran, problem

from netpersona.cli import completion, main
from netpersona.cli.connection import Settings
from netpersona.kinds.registry import HOMES, Home

COMMAND_LINE = ("--server", "http://manager:1")


class Manager:
    """Holds resources of any kind, each as it was sent."""

    def __init__(self) -> None:
        self.held: dict[str, Json] = {}
        self.revision = 0
        self.watched = False

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        plural, *name = request.url.path.removeprefix("/v1/").split("/")
        body = json.loads(request.content) if request.content else {}
        key = "/".join([plural, *name])
        if request.url.params.get("watch"):
            if self.watched:
                return problem(403, "once is enough")  # or the command would go on
            self.watched = True
            return httpx2.Response(200, text="".join(self._events(plural)))
        if request.method == "GET" and not name:
            found = [held for at, held in self.held.items() if at.startswith(f"{plural}/")]
            return httpx2.Response(200, json={"items": found, "continue": None})
        if request.method == "POST":
            key = f"{plural}/{body[f'{plural[:-1]}_id']}"
        elif key not in self.held:
            return problem(404, f"there is no {key}")
        if request.method == "DELETE":
            del self.held[key]
            return httpx2.Response(204)
        if request.method != "GET" and not request.url.params.get("dry_run"):
            self._store(key, body)
        return httpx2.Response(200, json=self.held.get(key, {}))

    def _store(self, key: str, body: Json) -> None:
        self.revision += 1
        plural, name = key.split("/")
        id_key = f"{plural[:-1]}_id"
        spec = {field: value for field, value in body.items() if field != id_key}
        self.held[key] = {id_key: name, "revision": self.revision, "spec": spec}

    def _events(self, plural: str) -> list[str]:
        return [
            json.dumps({"type": "ADDED", "revision": held["revision"], "object": held}) + "\n"
            for at, held in self.held.items()
            if at.startswith(f"{plural}/")
        ]


class Shell:
    """Runs command lines against a manager that knows labels."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.manager = Manager()
        self._capsys = capsys

    def __call__(self, *argv: str) -> Ran:
        code = main([*argv, *COMMAND_LINE], transport=httpx2.MockTransport(self.manager))
        captured = self._capsys.readouterr()
        return Ran(code, captured.out, captured.err)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    monkeypatch.setitem(HOMES, "label", Home("labels", "tests.unit.kinds.label:LABEL"))
    return Shell(capsys)


@pytest.fixture
def note(tmp_path: Path) -> Path:
    path = tmp_path / "note.yaml"
    path.write_text("label_id: note\ntext: hello\n")
    return path


def test_it_is_applied_once_and_again(run: Shell, note: Path) -> None:
    assert run("apply", "-f", str(note), "--dry-run").out == "LABEL  RESULT\nnote   created (dry run)\n"
    assert run.manager.held == {}
    assert run("apply", "-f", str(note)).out == "LABEL  RESULT\nnote   created\n"
    assert run("apply", "-f", str(note), "-o", "json").json == [
        {"label_id": "note", "result": "unchanged", "dry_run": False, "revision": 1}
    ]
    note.write_text("kind: label\nlabel_id: note\ntext: other\n")
    assert run("apply", "-f", str(note), "-o", "name").out == "label/note\n"
    assert run.manager.held["labels/note"]["spec"] == {"text": "other"}


def test_it_is_got_listed_and_described(run: Shell, note: Path) -> None:
    assert run("get", "labels").err == "there are none\n"
    run("apply", "-f", str(note))
    assert run("get", "labels").out == "NAME  TEXT\nnote  hello\n"
    assert run("get", "label", "note", "-o", "json").json["spec"] == {"text": "hello"}
    assert run("get", "labels", "-o", "name").out == "note\n"
    for words in (("label", "note"), ("note",)):
        assert run("describe", *words).out == "label note\n  text  hello\n"
    ran = run("get", "label", "nota")
    assert (ran.code, ran.err) == (
        1,
        "error: there is no label named nota; did you mean note? `netpersona get labels` lists them\n",
    )


def test_it_is_watched(run: Shell, note: Path) -> None:
    run("apply", "-f", str(note))
    assert run("watch", "labels").out == "ADDED     label/note  revision 1\n"


def test_its_differences_are_shown(run: Shell, note: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text('{"label_id": "note", "text": "bye"}')
    assert run("diff", "-f", str(note)).code == 1
    run("apply", "-f", str(note))
    assert run("diff", "-f", str(note)).err == "no differences\n"
    changed = run("diff", "-f", str(other))
    assert changed.code == 1
    assert changed.out.splitlines()[1].split() == ["note", "/text", "hello", "bye", "live"]
    assert run("diff", str(note), str(other), "-o", "json").json[0]["pointer"] == "/text"


def test_what_is_wrong_with_it_is_told_with_place_and_remedy(run: Shell, note: Path) -> None:
    note.write_text("label_id: note\ntxt: hello\n")
    for words in (("validate", str(note)), ("apply", "-f", str(note))):
        ran = run(*words)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.splitlines() == [
            f"{note}:1:1: /text: this key is missing; add it",
            f"{note}:2:1: /txt: there is no such key; remove this key",
            "error: 2 problems",
        ]
    note.write_text("kind: lable\ntext: hello\n")
    assert f"{note}:1:1: /kind: there is no kind lable; write label" in run("validate", str(note)).err
    note.write_text("kind: preset\nname: x\n")
    said = "/kind: nobody writes a preset; write a persona, policy, workload or label"
    assert said in run("validate", str(note)).err
    assert run.manager.held == {}


def test_it_stands_beside_other_kinds_in_one_file(run: Shell, note: Path) -> None:
    note.write_text(
        "label_id: note\ntext: hello\n---\nname: slow\nlatencyMs: 20\n---\n"
        "workload_id: web\nkind: netns\nnetns: web\ninterface: eth0\n"
    )
    assert run("validate", str(note), "-o", "name").out.split() == ["note", "slow", "web"]
    ran = run("apply", "-f", str(note))
    assert [line.split() for line in ran.out.splitlines()] == [
        ["RESOURCE", "RESULT", "IN", "USE", "BY"],
        ["label/note", "created", "-"],
        ["persona/slow", "created", "-"],
        ["workload/web", "created", "-"],
    ]
    assert sorted(run.manager.held) == ["labels/note", "personas/slow", "workloads/web"]


def test_a_document_without_a_name_is_called_after_its_file(run: Shell, note: Path) -> None:
    note.write_text("kind: label\ntext: hello\n")
    assert run("validate", str(note)).out.splitlines()[1].split()[1:] == ["note", "ok"]


def test_it_is_completed(
    run: Shell, note: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run("apply", "-f", str(note))
    monkeypatch.setattr(
        completion, "_settings", lambda _: Settings(transport=httpx2.MockTransport(run.manager))
    )
    for line, found in (
        ("netpersona get la", "labels"),
        ("netpersona get label n", "note"),
        ("netpersona describe no", "note"),
        ("netpersona delete la", "labels"),
    ):
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
        monkeypatch.setenv(completion.VARIABLE, "complete_bash")
        with pytest.raises(SystemExit):
            main([])
        assert capsys.readouterr().out.split() == [found], line


def test_its_schema_says_its_name_and_keys(run: Shell) -> None:
    schema = run("schema", "label").json
    assert list(schema["properties"]) == ["label_id", "text"]
    assert schema["required"] == ["label_id", "text"]


def test_it_is_deleted(run: Shell, note: Path) -> None:
    run("apply", "-f", str(note))
    assert run("delete", "label", "note").out == "label/note deleted\n"
    assert run.manager.held == {}
    assert run("delete", "label", "note").code == 1
