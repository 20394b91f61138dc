"""How a followed watch goes on after a gap."""

from __future__ import annotations

import pytest

from netpersona.client import ApiError, Event, Unreachable
from netpersona.client.watching import Course, pauses, read_event

GONE = ApiError(410, {"detail": "too old"})


def added(name: str, revision: int) -> Event:
    return Event("ADDED", {"persona_id": name, "revision": revision}, revision)


def changed(name: str, revision: int) -> Event:
    return Event("MODIFIED", {"persona_id": name, "revision": revision}, revision)


def deleted(name: str, revision: int) -> Event:
    return Event("DELETED", {"persona_id": name}, revision)


def bookmark(revision: int) -> Event:
    return Event("BOOKMARK", {}, revision)


def told(course: Course, *events: Event) -> list[tuple[str, str]]:
    """(type, name) of what is told of a stream."""
    course.begin()
    return [(e.type, str(e.object.get("persona_id", ""))) for event in events for e in course.take(event)]


@pytest.fixture
def course() -> Course:
    """One that has told of a and b."""
    course = Course("persona_id")
    assert told(course, added("a", 1), added("b", 2), bookmark(2)) == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("BOOKMARK", ""),
    ]
    return course


def test_the_first_stream_starts_with_all_there_is() -> None:
    assert Course("persona_id").begin() is None


def test_where_nothing_ever_came_nobody_waits_for_more() -> None:
    course = Course("persona_id")
    course.begin()
    with pytest.raises(Unreachable):
        course.broke_off(Unreachable("nobody there"))


def test_a_stream_goes_on_where_the_last_one_broke_off(course: Course) -> None:
    assert told(course, changed("a", 5)) == [("MODIFIED", "a")]
    course.broke_off(Unreachable("gone"))
    assert course.begin() == 5


def test_a_listing_that_broke_off_is_begun_again() -> None:
    course = Course("persona_id")
    assert told(course, added("a", 1)) == [("ADDED", "a")]
    course.broke_off(Unreachable("gone"))
    assert course.begin() is None
    assert told(course, added("a", 1), added("b", 2), bookmark(2)) == [("ADDED", "b"), ("BOOKMARK", "")]


def test_after_a_gap_that_the_manager_forgot_only_what_changed_is_told(course: Course) -> None:
    told(course, added("c", 3), deleted("c", 4))
    course.broke_off(GONE)
    assert course.begin() is None
    assert told(course, added("a", 1), added("d", 9), bookmark(9)) == [
        ("ADDED", "d"),
        ("DELETED", "b"),
        ("BOOKMARK", ""),
    ]
    course.broke_off(GONE)
    assert told(course, added("a", 12), added("d", 9), bookmark(12)) == [("MODIFIED", "a"), ("BOOKMARK", "")]


def test_what_belongs_to_a_resource_passes(course: Course) -> None:
    verify = Event("VERIFY", {"verification_id": "v"}, 7)
    assert list(course.take(verify)) == [verify]
    fresh = Course("persona_id")
    assert list(fresh.take(verify)) == [verify]


def test_an_answer_that_stays_the_same_ends_it(course: Course) -> None:
    with pytest.raises(ApiError):
        course.broke_off(ApiError(401, {}))
    course.broke_off(ApiError(503, {}))
    assert course.begin() == 2


@pytest.mark.parametrize("line", ["[]", "{}", "nul", '{"object": {}}'])
def test_what_is_no_event_is_said(line: str) -> None:
    with pytest.raises(ValueError, match=r"no event|Expecting"):
        read_event(line)


def test_an_event_is_written_as_it_was_read() -> None:
    line = '{"type": "DELETED", "revision": 4, "object": {"persona_id": "a"}}'
    assert read_event(line).document == {"type": "DELETED", "revision": 4, "object": {"persona_id": "a"}}


def test_pauses_grow_and_stay() -> None:
    waits = pauses()
    first = [next(waits) for _ in range(6)]
    assert first == sorted(first)
    assert first[-1] == first[-2]
