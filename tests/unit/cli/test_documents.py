"""Persona documents on the command line: every problem at once, and which of two names is meant."""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.unit.cli.conftest import FakeManager

from netpersona.cli.connection import Settings
from netpersona.cli.documents import load_documents, looks_like_file, one_document
from netpersona.cli.errors import CliError
from netpersona.cli.personas import resolve
from netpersona.kinds.persona import dump, presets


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text("persona_id: one\n---\npersona_id: two\nmtu: 1400\n")
    return path


def test_a_file_may_hold_several_documents(good: Path) -> None:
    assert [d.name for d in load_documents([str(good)])] == ["one", "two"]


@pytest.mark.usefixtures("good")
def test_a_directory_stands_for_its_documents_in_order_of_name(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"persona_id": "zero"}')
    (tmp_path / "notes.txt").write_text("no persona")
    assert [d.name for d in load_documents([str(tmp_path)])] == ["zero", "one", "two"]


def test_standard_input_is_read_for_a_dash(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, io.BytesIO(b"persona_id: piped\n"))
    assert load_documents(["-"])[0].name == "piped"


class Endless(io.RawIOBase):
    """As `yes`: whoever reads to the end never comes back."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = b"#" * len(buffer)
        return len(buffer)


def pipe(monkeypatch: pytest.MonkeyPatch, stream: Any) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(stream))


def details(*names: str) -> tuple[str, ...]:
    with pytest.raises(CliError) as caught:
        load_documents(names)
    return caught.value.details


def test_standard_input_without_an_end_is_read_to_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe(monkeypatch, io.BufferedReader(Endless()))
    assert details("-") == ("<stdin>: larger than 1 MiB; spread the personas over several files",)


def test_closed_standard_input_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert details("-") == ("<stdin>: standard input is closed; pipe a document into it",)


def test_what_is_no_regular_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket.yaml"))
        found = details(str(tmp_path / "pipe.yaml"), "/dev/zero", str(tmp_path / "socket.yaml"))
    assert found == (
        f"{tmp_path}/pipe.yaml: a pipe, not a file; name a file, or pipe it into -",
        "/dev/zero: a device, not a file; name a file, or pipe it into -",
        f"{tmp_path}/socket.yaml: a socket, not a file; name a file, or pipe it into -",
    )


@pytest.mark.usefixtures("good")
def test_directories_within_a_directory_are_left_out_aloud(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.yaml").mkdir()
    (tmp_path / ".git").mkdir()
    assert len(load_documents([str(tmp_path)])) == 2
    assert capsys.readouterr().err == (
        f"warning: {tmp_path}/old.yaml/ is a directory and was left out; name it, too, if it holds personas\n"
    )


def test_names_that_no_system_takes_are_problems() -> None:
    (found,) = details("x" * 5000)
    assert "File name too long; check the path" in found


def test_a_name_with_control_characters_is_shown_escaped(tmp_path: Path) -> None:
    (found,) = details(str(tmp_path / "\x1b[31m.yaml"))
    assert "\\x1b[31m.yaml: cannot be read" in found
    assert found.isprintable()


def test_a_persona_that_hides_a_preset_is_warned_of(tmp_path: Path) -> None:
    name, preset = next(iter(presets().items()))
    path = tmp_path / "p.yaml"
    path.write_text(f"persona_id: {name}\n")
    (document,) = load_documents([str(path)])
    assert document.warnings == ("hides the preset of this name; give it another name, unless that is meant",)
    path.write_text(dump(preset))
    (same,) = load_documents([str(path)])
    assert not any("hides" in warning for warning in same.warnings)


@pytest.mark.usefixtures("good")
def test_every_problem_of_every_file_is_told_with_its_line(tmp_path: Path) -> None:
    first, second = tmp_path / "bad1.yaml", tmp_path / "bad2.yaml"
    first.write_text("persona_id: x\nmtu: 7\nqos_priorty: 3\n")
    second.write_text("persona_id: [\n")
    with pytest.raises(CliError) as caught:
        load_documents([str(tmp_path), str(tmp_path / "missing.yaml")])
    lines = caught.value.details
    assert any(line.startswith(f"{first}:2:") and "mtu" in line for line in lines)
    assert any(line.startswith(f"{first}:3:") and "qos_priority" in line for line in lines)
    assert any(line.startswith(f"{second}:") for line in lines)
    assert any("missing.yaml" in line for line in lines)
    assert caught.value.message == f"{len(lines)} problems"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x00", b"", b"- 1\n- 2\n", b"just words"])
def test_bytes_that_are_no_document_are_a_problem_of_that_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.yaml"
    path.write_bytes(content)
    with pytest.raises(CliError) as caught:
        load_documents([str(path)])
    assert str(path) in caught.value.details[0]


def test_a_directory_without_documents_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(CliError) as caught:
        load_documents([str(tmp_path)])
    assert "no persona document" in caught.value.details[0]


def test_one_name_given_to_two_documents_is_a_problem(tmp_path: Path) -> None:
    for name in ("a.yaml", "b.yaml"):
        (tmp_path / name).write_text("persona_id: same\n")
    with pytest.raises(CliError) as caught:
        load_documents([str(tmp_path)])
    assert "same is given 2 times" in caught.value.details[0]


def test_one_document_is_wanted_where_one_can_be_used(good: Path) -> None:
    with pytest.raises(CliError, match=r"holds 2 personas \(one, two\)"):
        one_document(str(good))


@pytest.mark.parametrize(
    ("name", "is_file"),
    [("a.yaml", True), ("x/y", True), ("-", True), ("voip-on-3g", False), ("v1.2", False)],
)
def test_what_is_taken_for_a_file(name: str, is_file: bool) -> None:
    assert looks_like_file(name) is is_file


def test_a_stored_persona_goes_before_a_preset_of_the_same_name(manager: FakeManager) -> None:
    name = next(iter(presets()))
    settings = Settings(transport=httpx2.MockTransport(manager))
    assert resolve(name, settings) == presets()[name]
    manager.add_persona(persona_id=name, mtu=1234)
    assert resolve(name, settings).mtu == 1234


def test_a_preset_needs_no_manager(tmp_path: Path) -> None:
    name = next(iter(presets()))
    assert resolve(name, Settings(run_dir=tmp_path)) == presets()[name]


def test_an_unknown_name_offers_stored_ones_and_presets(manager: FakeManager) -> None:
    manager.add_persona(persona_id="my-link")
    with pytest.raises(CliError) as caught:
        resolve("my-lnik", Settings(transport=httpx2.MockTransport(manager)))
    assert "did you mean my-link?" in str(caught.value.remedy)


def test_an_unknown_name_without_a_manager_says_both(tmp_path: Path) -> None:
    name = next(iter(presets()))
    with pytest.raises(CliError, match="not running") as caught:
        resolve(f"{name}x", Settings(run_dir=tmp_path))
    assert f"did you mean {name}?" in str(caught.value.remedy)
