from __future__ import annotations

import pytest

from netpersona.control.conditions import Condition
from netpersona.control.problems import PreconditionFailed, PreconditionRequired


@pytest.mark.parametrize("header", ['"7"', "*", '"1", "7"', ' "7" '])
def test_the_current_tag_matches(header: str) -> None:
    Condition(if_match=header).check(7, required=True)


@pytest.mark.parametrize("header", ['"6"', 'W/"7"', "7", "", '"7', '"77"'])
def test_any_other_tag_fails(header: str) -> None:
    with pytest.raises(PreconditionFailed):
        Condition(if_match=header).check(7)


def test_nothing_matches_what_is_not_there() -> None:
    with pytest.raises(PreconditionFailed, match="does not exist"):
        Condition(if_match="*").check(0)


def test_if_none_match_any_wants_nothing_there() -> None:
    Condition(if_none_match="*").check(0, required=True)
    with pytest.raises(PreconditionFailed, match="revision 3"):
        Condition(if_none_match="*").check(3)


def test_replacing_needs_a_tag_and_creating_does_not() -> None:
    Condition().check(0, required=True)
    with pytest.raises(PreconditionRequired):
        Condition().check(3, required=True)
    with pytest.raises(PreconditionRequired):
        Condition(if_none_match='"2"').check(3, required=True)
