from __future__ import annotations

import pytest

from netpersona.control.preconditions import Precondition
from netpersona.control.problems import PreconditionFailed, PreconditionRequired


@pytest.mark.parametrize("header", ['"7"', "*", '"1", "7"', ' "7" '])
def test_the_current_tag_matches(header: str) -> None:
    Precondition(if_match=header).check(7, required=True)


@pytest.mark.parametrize("header", ['"6"', 'W/"7"', "7", "", '"7', '"77"'])
def test_any_other_tag_fails(header: str) -> None:
    with pytest.raises(PreconditionFailed):
        Precondition(if_match=header).check(7)


def test_nothing_matches_what_is_not_there() -> None:
    with pytest.raises(PreconditionFailed, match="does not exist"):
        Precondition(if_match="*").check(0)


def test_if_none_match_any_wants_nothing_there() -> None:
    Precondition(if_none_match="*").check(0, required=True)
    with pytest.raises(PreconditionFailed, match="revision 3"):
        Precondition(if_none_match="*").check(3)


def test_replacing_needs_a_tag_and_creating_does_not() -> None:
    Precondition().check(0, required=True)
    with pytest.raises(PreconditionRequired):
        Precondition().check(3, required=True)
    with pytest.raises(PreconditionRequired):
        Precondition(if_none_match='"2"').check(3, required=True)
