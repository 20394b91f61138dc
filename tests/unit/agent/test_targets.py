from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.unit.agent.fakes import endpoint

from netpersona.agent.desired import Assignment, PersonaReference
from netpersona.agent.places import Found, Missing, Refused, Unknown
from netpersona.agent.targets import Moment, assigned, has_left, in_turn, rivals, site
from netpersona.datapath import NOTHING, Assigned
from netpersona.kinds.persona import compile_persona, from_mapping

WEB = endpoint("veth1", 11)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOW = Moment(NOON, monotonic_ns=5_000_000_000)
SLOW, FAST = (compile_persona(from_mapping({"persona_id": "p", "mtu": mtu})) for mtu in (1400, 1300))


def until(seconds: float) -> Assignment:
    return Assignment(PersonaReference("slow", 1, "{}"), expires_at=NOON + timedelta(seconds=seconds))


def expiry_ns(assignment: Assignment, moment: Moment = NOW, recorded_ns: int = 0) -> int:
    return assigned(assignment, [SLOW, FAST], moment, recorded_ns=recorded_ns).expires_ns


def test_something_is_wanted_where_a_workload_was_found() -> None:
    assert site(Found(WEB), 0) == (11, WEB)
    assert site(Found(WEB), 99) == (11, WEB)


def test_while_it_cannot_be_looked_up_what_it_had_counts() -> None:
    assert site(Unknown("no runtime"), 11) == (11, None)
    assert site(Unknown("no runtime"), 0) is None


def test_nothing_is_wanted_of_what_is_missing_refused_or_not_looked_for() -> None:
    assert [site(place, 11) for place in (Missing("gone"), Refused("yours"), None)] == [None] * 3


def test_an_interface_is_left_once_it_is_known_that_the_workload_is_elsewhere() -> None:
    assert all(has_left(place, 11) for place in (Missing("gone"), Refused("yours"), Found(endpoint("v", 12))))
    assert not any(has_left(place, 11) for place in (Unknown(""), None, Found(WEB)))
    assert not has_left(Missing("gone"), 0)


def test_no_assignment_is_the_null_persona() -> None:
    assert assigned(None, [], NOW, recorded_ns=9) == NOTHING


def test_without_an_end_nothing_follows() -> None:
    forever = Assignment(PersonaReference("slow", 1, "{}"))
    assert assigned(forever, [SLOW, FAST], NOW, recorded_ns=9) == Assigned(SLOW)


def test_the_wall_clock_becomes_the_monotonic_one() -> None:
    assert assigned(until(2), [SLOW, FAST], NOW, recorded_ns=0) == Assigned(SLOW, 7_000_000_000, FAST)
    assert assigned(until(2), [SLOW], NOW, recorded_ns=0) == Assigned(SLOW, 7_000_000_000)


def test_a_stepped_wall_clock_does_not_move_a_recorded_lease() -> None:
    stepped = replace(NOW, wall=NOON + timedelta(hours=1))
    assert expiry_ns(until(2), stepped, recorded_ns=7_000_000_000) == 7_000_000_000


def test_what_is_over_is_what_follows_it() -> None:
    for seconds in (0, -3600):
        assert assigned(until(seconds), [SLOW, FAST], NOW, recorded_ns=0) == Assigned(FAST)
        assert assigned(until(seconds), [SLOW], NOW, recorded_ns=0) == NOTHING


def test_of_two_on_one_interface_the_holder_wins() -> None:
    places = {"a": Found(WEB), "b": Found(WEB)}
    assert rivals(places, {"b": WEB.ifindex}) == {"a": "b"}
    assert rivals(places, {}) == {"b": "a"}


def test_a_holder_that_was_not_looked_up_wins_too() -> None:
    assert rivals({"a": Found(WEB)}, {"b": WEB.ifindex}) == {"a": "b"}


def test_a_turn_goes_round_and_names_nobody_twice() -> None:
    assert list(in_turn(["a", "b", "c"], 2, 2)) == ["c", "a"]
    assert list(in_turn(["a"], 5, 8)) == ["a"]
    assert list(in_turn([], 5, 8)) == []
