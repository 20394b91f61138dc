from __future__ import annotations

import pytest

from netpersona.kinds.shown import BRIEF, brief, printable


@pytest.mark.parametrize("text", ["", "plain text", "größer, 日本語, 🐧", "a\\b"])
def test_what_can_be_printed_stays(text: str) -> None:
    assert printable(text) == text
    assert brief(text) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("one\r\ntwo\ttabs", "one\\r\\ntwo\\ttabs"),
        ("\x9b31m", "\\x9b31m"),
        ("user\u202etxt.exe\u2069", "user\\u202etxt.exe\\u2069"),
        ("line\u2028para\u2029", "line\\u2028para\\u2029"),
        ("zero\u200bwidth\ufeff", "zero\\u200bwidth\\ufeff"),
        ("half \ud800", "half \\ud800"),
        ("tag \U000e0041", "tag \\U000e0041"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text: str, said: str) -> None:
    assert printable(text) == said
    assert brief(text) == said


def test_some_may_be_kept() -> None:
    assert printable("one\ntwo\x1b\n", keep="\n") == "one\ntwo\\x1b\n"


@pytest.mark.parametrize("text", ["x" * 1_000_000, "\u202e" * 1_000, "\U000e0041" * BRIEF])
def test_only_the_beginning_is_repeated(text: str) -> None:
    said = brief(text)
    assert len(said) <= BRIEF
    assert said.endswith("…")
    assert said.isprintable()


def test_what_just_fits_is_whole() -> None:
    assert brief("x" * BRIEF) == "x" * BRIEF
    assert brief("x" * (BRIEF + 1)) == "x" * (BRIEF - 1) + "…"


def test_whatever_has_a_text_may_be_told() -> None:
    assert brief(5) == "5"
    assert brief(b"\x1b") == "b'\\x1b'"
