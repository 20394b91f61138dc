"""How failures are said."""

from __future__ import annotations

import io

import pytest
from tests.unit.cli.conftest import Json

from netpersona.cli.errors import CliError, nearest, paint, report, unknown_name
from netpersona.client import ApiError, ClientError


def said(error: CliError | ClientError) -> str:
    stream = io.StringIO()
    report(error, stream)
    return stream.getvalue()


def test_an_error_is_one_line_with_its_remedy() -> None:
    assert said(CliError("it broke", "mend it")) == "error: it broke; mend it\n"


def test_a_part_of_a_name_finds_the_shortest_that_holds_it() -> None:
    assert nearest("3g", ["atc-3g-average", "atc-3g-good", "wifi"]) == "atc-3g-good"


def test_details_come_before_the_summary() -> None:
    assert said(CliError("2 problems", details=["a:1: x", "a:2: y"])) == "a:1: x\na:2: y\nerror: 2 problems\n"


def test_a_problem_document_is_shown_with_its_pointers() -> None:
    error = ApiError(
        422,
        {
            "detail": "the document is not valid",
            "errors": [
                {"pointer": "/mtu", "detail": "20 is too small", "remedy": "write 68 or more"},
                {"pointer": "", "detail": "persona_id is missing", "remedy": ""},
            ],
        },
    )
    assert said(error).splitlines() == [
        "/mtu: 20 is too small; write 68 or more",
        "persona_id is missing",
        "error: the document is not valid",
    ]


def test_a_problem_that_repeats_itself_is_said_once() -> None:
    problem = {"detail": "in use", "errors": [{"pointer": "", "detail": "in use", "remedy": "release it"}]}
    assert said(ApiError(409, problem)) == "error: in use; release it\n"


@pytest.mark.parametrize("problem", [{}, {"errors": "x"}, {"errors": [1, None]}, {"title": "Bad Gateway"}])
def test_an_answer_that_is_no_problem_document_is_still_one_line(problem: Json) -> None:
    assert said(ApiError(502, problem)).count("\n") == 1


@pytest.mark.parametrize(
    ("name", "guess"), [("voip-on-3", "voip-on-3g"), ("voip", "voip-on-3g"), ("zzz", None)]
)
def test_the_nearest_name_is_offered(name: str, guess: str | None) -> None:
    assert nearest(name, ["voip-on-3g", "cable"]) == guess


def test_an_unknown_name_says_where_to_look() -> None:
    error = unknown_name("persona", "cabel", ["cable"], "netpersona get personas")
    assert said(error) == (
        "error: there is no persona named cabel; did you mean cable? `netpersona get personas` lists them\n"
    )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_without_no_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert paint("x", "31", Terminal()) == "\x1b[31mx\x1b[0m"
    assert paint("x", "31", io.StringIO()) == "x"
    monkeypatch.setenv("NO_COLOR", "1")
    assert paint("x", "31", Terminal()) == "x"
